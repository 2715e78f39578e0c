# The gateway in a container: README.md says how to run it. The configuration is /app/config.toml, to be
# mounted; what must survive is in the volume /app/var. The base is named by its tag, so that a new build has
# Debian's latest mends; where a build must be the same again, name it by its digest (FROM python@sha256:…). Its
# Python is one of those that the tests run on, as pyproject.toml lists them.
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
# python-ldap comes as source: it is built against Debian's headers here, and needs the libraries below.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev libldap2-dev libsasl2-dev
RUN python -m venv --without-pip /app/venv
COPY requirements/run.txt requirements/console.txt requirements/ldap.txt requirements/smtp.txt \
    requirements/sql.txt requirements/postgres.txt requirements/
RUN pip --python /app/venv/bin/python install --no-cache-dir --no-deps --require-hashes -r requirements/run.txt \
    -r requirements/console.txt -r requirements/smtp.txt -r requirements/sql.txt -r requirements/postgres.txt \
    && pip --python /app/venv/bin/python install --no-cache-dir --no-deps --require-hashes --no-build-isolation \
    -r requirements/ldap.txt
COPY pyproject.toml README.md ./
COPY gateway gateway
RUN pip --python /app/venv/bin/python wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
    && pip --python /app/venv/bin/python install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM python:3.13-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libldap-2.5-0 libsasl2-2 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin gateway \
    && install --directory --owner=10001 --group=10001 --mode=700 /app/var
COPY --from=build /app/venv /app/venv
COPY deploy/config.container.toml /app/config.toml
COPY deploy/healthy.py /app/healthy.py
ENV PATH=/app/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
VOLUME /app/var
EXPOSE 8080
# Well while the process serves, recovery included, whatever its port and with TLS or without. Where `serve` is
# given another --config than /app/config.toml, give this its path, too.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["python", "/app/healthy.py"]
ENTRYPOINT ["scim-gateway"]
CMD ["serve"]
