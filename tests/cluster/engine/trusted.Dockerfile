# Stands in for an image of docker.io: the same, and it trusts the certificate authorities that this machine trusts,
# because the package index may be behind one of its own.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
