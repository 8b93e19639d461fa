# jan-ort for the CPU: docker build -t jan-ort . && docker run -p 127.0.0.1:8000:8000 -e JAN_ORT_API_KEY=... jan-ort
ARG BASE=python:3.12.12-slim-bookworm
FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/jan-ort
WORKDIR /src
COPY . .
RUN /opt/jan-ort/bin/pip install --only-binary :all: ./openapi ".[images,otel]"

# The same base, so that the venv finds its Python; nothing of the build is in it, and no compiler ever was.
FROM ${BASE}
RUN useradd --system --uid 10001 --create-home --home-dir /home/jan-ort jan-ort \
    && install -d -o jan-ort -g jan-ort /cache
COPY --from=build /opt/jan-ort /opt/jan-ort
ENV PATH=/opt/jan-ort/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    JAN_ORT_CACHE_DIR=/cache \
    JAN_ORT_HOST=0.0.0.0
USER 10001
WORKDIR /home/jan-ort
VOLUME /cache
EXPOSE 8000
# Alive while models are fetched, too; whoever routes requests asks /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["jan-ort"]
CMD ["serve"]
