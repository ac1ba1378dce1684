# The image of the operator, and the base of your workers:
#
#     FROM grctl:0.1.0
#     COPY orders.py .
#     CMD ["grctl", "worker", "orders:order"]
#
# 1. It runs as a number, not as root, and writes nothing: the root file system may be read-only.
# 2. What it holds is pinned by hashes (requirements.lock); neither pip nor a compiler is in it.
# 3. Two builds of one commit give the same files with the same times (SOURCE_DATE_EPOCH); byte code
#    holds no times. The one layer that only removes files has the time of its build, where the
#    builder does not rewrite it.

ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
RUN pip install --require-hashes --only-binary :all: --target tools -r requirements-build.lock \
 && python -m venv --without-pip /opt/grctl \
 && pip --python /opt/grctl/bin/python install --require-hashes --only-binary :all: \
      --no-compile -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY sdk sdk
COPY operator operator
# The embedded API is for laptops. The models of the whole Kubernetes API would be 50 MB of byte code
# that nothing loads.
RUN PYTHONPATH=tools pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
 && pip --python /opt/grctl/bin/python install --no-deps --no-index --no-compile wheels/*.whl \
 && rm -rf /opt/grctl/lib/python3*/site-packages/grctl_local \
 && /opt/grctl/bin/python -m compileall -q --invalidation-mode unchecked-hash \
      -x '/kubernetes/(aio/)?client/(api|models)/' /opt/grctl/lib \
 && mkdir -p /image/opt /image/app && mv /opt/grctl /image/opt \
 && find /image -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="grctl" \
      org.opencontainers.image.description="Durable, event-driven workflows in Python, run by Kubernetes." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing can be installed here any more; a worker's own packages come from a build stage of its own.
RUN find / -xdev \( -path '*/site-packages/*' -o -path '*/dist-packages/*' -o -name ensurepip \) \
      \( -name pip -o -name 'pip-*' -o -name 'setuptools*' -o -name 'wheel*' -o -name ensurepip \) \
      -prune -exec rm -rf {} + \
 && rm -f /usr/bin/pip* /usr/local/bin/pip*
COPY --from=build /image /
ENV PATH=/opt/grctl/bin:$PATH HOME=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 65532:65532
CMD ["grctl", "--help"]
