"""Run a command with a GPU driver in software: ``python scripts/software_gpu.py [--listed] COMMAND …``.

It is Mesa's lavapipe, a Vulkan driver on the processor: no GPU, and a thousand times slower than one. It shows what
ONNX Runtime's WebGPU provider computes, and nothing of a GPU's speed, memory or rounding. Linux only, with Debian's
or Ubuntu's packages mesa-vulkan-drivers, libvulkan1, libvulkan-dev and gcc.

``--listed``: also show the command a made-up GPU under /sys/class/drm, in a mount namespace of its own. ONNX Runtime
offers a plugin provider only the GPUs that it finds there; its flavour with WebGPU inside does not look. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("software_gpu_icd.c")

LISTED = """
mount --make-rprivate / && mount -t tmpfs tmpfs /sys/class || exit 1
mkdir -p /sys/class/drm/card0 /sys/class/pci/0000:00:09.0
echo 0x10de > /sys/class/pci/0000:00:09.0/vendor
echo 0x1234 > /sys/class/pci/0000:00:09.0/device
ln -s ../../pci/0000:00:09.0 /sys/class/drm/card0/device
exec "$@"
"""


def write_driver(folder: Path) -> Path:
    """Compile the driver into ``folder`` and return the file that names it to Vulkan's loader."""
    library = folder / "libsoftware_gpu.so"
    flags = ["-shared", "-fPIC", "-fvisibility=hidden", "-O1"]
    subprocess.run([os.environ.get("CC", "gcc"), *flags, str(SOURCE), "-o", str(library), "-ldl"], check=True)
    manifest = folder / "software_gpu.json"
    icd = {"library_path": str(library), "api_version": "1.3.230"}
    manifest.write_text(json.dumps({"file_format_version": "1.0.0", "ICD": icd}), encoding="utf-8")
    return manifest


def with_software_gpu(command: list[str], *, listed: bool = False) -> int:
    """Run ``command`` and return its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        driver = str(write_driver(Path(folder)))
        environment = os.environ | {"VK_DRIVER_FILES": driver, "XDG_RUNTIME_DIR": folder}
        prefix = ["unshare", "-m", "bash", "-c", LISTED, "bash"] if listed else []
        return subprocess.run([*prefix, *command], env=environment, check=False).returncode


def main() -> int:
    """Read the command line and run its command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listed", action="store_true", help="list a made-up GPU, for plugins; needs root")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("give a command to run")
    return with_software_gpu(arguments.command, listed=arguments.listed)


if __name__ == "__main__":
    sys.exit(main())
