# The gateway in a container. Mount a configuration at /app/config.toml: its [server] must have
# listen = "0.0.0.0:8080" to be reached from outside, and its var/ is the volume /app/var.
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /app/venv
COPY requirements/run.txt requirements/
RUN /app/venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY gateway gateway
RUN /app/venv/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
    && /app/venv/bin/pip install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app gateway \
    && install --directory --owner=gateway --group=gateway /app/var
COPY --from=build /app/venv /app/venv
COPY config.toml /app/
ENV PATH=/app/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
USER gateway
VOLUME /app/var
EXPOSE 8080
# Answers while the process serves, recovery included; with another port or with [server] tls, override it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["scim-gateway"]
CMD ["serve"]
