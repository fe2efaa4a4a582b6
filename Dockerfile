# The image of the exporter: the interpreter, its libraries and the locked packages on an empty root.
# No shell, no package manager, no pip. Kubernetes probes the exporter, so there is no HEALTHCHECK.
#
# Pinned by the digest of its index, which holds for every architecture; docs/kubernetes.md says how
# to move it.
ARG BASE=docker.io/library/python:3.11.17-slim-bookworm@sha256:0a310eeecf4e1f5a0743f9a6520c90c88d089c903ca5fd283f501e3a805f5f89

FROM ${BASE} AS build
# For a mirror and its certificate; only this stage sees them.
ARG PIP_INDEX_URL
ARG PIP_CERT
ARG PIP_FIND_LINKS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
RUN ["python3", "-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", \
     "--only-binary", ":all:", "--target", "/packages", "--requirement", "requirements.lock"]
RUN ["python3", "-m", "pip", "install", "--quiet", "--no-compile", "--require-hashes", \
     "--only-binary", ":all:", "--target", "/tools", "--requirement", "requirements-build.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
COPY bytespike_simulator bytespike_simulator
RUN ["env", "PYTHONPATH=/tools", "python3", "-m", "pip", "install", "--quiet", "--no-compile", \
     "--no-index", "--no-deps", "--no-build-isolation", "--target", "/packages", "."]
COPY scripts/image/assemble.py ./
RUN ["python3", "-I", "assemble.py", "/packages", "/root-of-image"]

FROM scratch
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bytespike-exporter" \
      org.opencontainers.image.description="Balance, limits and spend of ByteSpike accounts as OpenTelemetry and Prometheus metrics" \
      org.opencontainers.image.source="https://github.com/bytespike/bytespike-exporter" \
      org.opencontainers.image.documentation="https://github.com/bytespike/bytespike-exporter/blob/main/docs/kubernetes.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /root-of-image /
ENV PATH=/usr/local/bin:/usr/bin \
    PYTHONPATH=/opt/bytespike \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
WORKDIR /var/lib/bytespike
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["bytespike-exporter"]
CMD ["run", "--config", "/etc/bytespike/config.yaml"]
