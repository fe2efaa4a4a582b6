module bytespike-exporter-crds

go 1.21.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
