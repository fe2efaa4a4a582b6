{{/* One value: whole numbers stay whole, which toYaml would not keep, and texts are quoted. */}}
{{- define "bytespike-exporter.value" -}}
{{- if kindIs "float64" . -}}{{ int64 . }}{{- else -}}{{ toJson . }}{{- end -}}
{{- end -}}

{{/* The exporter's configuration. Where the keys are, the state is and what it listens on is the
chart's business; everything else comes from config. */}}
{{- define "bytespike-exporter.config" -}}
accounts:
{{- range .Values.accounts }}
  - name: {{ toJson .name }}
    api_key_file: {{ printf "/var/run/secrets/bytespike/%s" .name | toJson }}
    {{- with .baseUrl }}
    base_url: {{ toJson . }}
    {{- end }}
    {{- if .webhookSecret }}
    webhook_secret_file: {{ printf "/var/run/secrets/bytespike-webhooks/%s" .name | toJson }}
    {{- end }}
{{- end }}
state:
  path: /var/lib/bytespike/bytespike.db
http:
  listen: {{ printf "%s:%d" .Values.listenAddress (int .Values.port) | toJson }}
  {{- with include "bytespike-exporter.hosts" . }}
  allow_hosts: {{ . }}
  {{- end }}
{{- if .Values.tap.enabled }}
tap:
  listen: {{ printf "%s:%d" .Values.listenAddress (int .Values.tap.port) | toJson }}
  {{- with .Values.tap.account }}
  account: {{ toJson . }}
  {{- end }}
{{- end }}
{{- if include "bytespike-exporter.takesDeliveries" . }}
webhook:
  path: {{ toJson .Values.webhook.path }}
  {{- if .Values.webhook.existingSecret }}
  secret_file: /var/run/secrets/bytespike-webhook/secret
  {{- end }}
  signature_header: {{ toJson .Values.webhook.signatureHeader }}
{{- end }}
{{- range $section, $settings := .Values.config }}
{{- if $settings }}
{{ $section }}:
{{- range $key, $value := $settings }}
{{- if not (kindIs "invalid" $value) }}
  {{ toJson $key }}: {{ include "bytespike-exporter.value" $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether there is a webhook: a secret for all accounts, or one of an account; else empty. */}}
{{- define "bytespike-exporter.takesDeliveries" -}}
{{- $own := include "bytespike-exporter.signing" . | fromJsonArray -}}
{{- if or .Values.webhook.existingSecret $own -}}true{{- end -}}
{{- end -}}

{{/* The accounts that have a secret of their own for deliveries, as a JSON list. */}}
{{- define "bytespike-exporter.signing" -}}
{{- $signing := list -}}
{{- range .Values.accounts -}}{{- if .webhookSecret -}}{{- $signing = append $signing . -}}{{- end -}}{{- end -}}
{{- toJson $signing -}}
{{- end -}}

{{/* The names under which page and /metrics may be asked for, as a JSON list; empty without any. */}}
{{- define "bytespike-exporter.hosts" -}}
{{- $hosts := .Values.service.allowHosts -}}
{{- if .Values.service.enabled -}}
{{- $name := include "bytespike-exporter.fullname" . -}}
{{- $short := printf "%s.%s" $name .Release.Namespace -}}
{{- $hosts = concat (list $name $short (printf "%s.svc" $short) (printf "%s.svc.cluster.local" $short)) $hosts -}}
{{- end -}}
{{- with $hosts -}}{{- uniq . | toJson -}}{{- end -}}
{{- end -}}

{{/* What is in the ConfigMap. */}}
{{- define "bytespike-exporter.files" -}}
config.yaml: |
  {{- include "bytespike-exporter.config" . | nindent 2 }}
{{- if include "bytespike-exporter.nginx" . }}
{{ include "bytespike-exporter.nginxConfig" . }}
{{- end }}
{{- end -}}

{{/* Whether nginx stands in front of the gateway; empty if not. */}}
{{- define "bytespike-exporter.nginx" -}}
{{- if and .Values.tap.enabled .Values.tap.nginx.enabled -}}true{{- end -}}
{{- end -}}

{{/* Its files: it listens where the pod is called, and reports to the exporter beside it. Calls go
to the gateway of the account whose keys are those of applications. */}}
{{- define "bytespike-exporter.nginxConfig" -}}
{{- $gateway := include "bytespike-exporter.sharedGateway" . -}}
{{- range .Values.accounts -}}
{{- if or (eq .name $.Values.tap.account) (eq (len $.Values.accounts) 1) -}}
{{- $gateway = default $gateway .baseUrl -}}
{{- end -}}
{{- end -}}
{{- $listen := printf "%s:%d" .Values.listenAddress (int .Values.tap.nginx.port) -}}
{{- if hasPrefix "[" $listen -}}
{{- $listen = printf "%s ipv6only=off" $listen -}}
{{- end -}}
{{- $report := printf "127.0.0.1:%d" (int .Values.tap.port) -}}
{{- include "bytespike-exporter.nginxFiles" (dict "listen" $listen "report" $report "gateway" $gateway) -}}
{{- end -}}

{{/* The gateway of accounts that name none. */}}
{{- define "bytespike-exporter.sharedGateway" -}}
{{- default "https://llm.bytespike.ai" (default dict (default dict .Values.config).gateway).base_url -}}
{{- end -}}

{{/* The port of a URL, said or not. */}}
{{- define "bytespike-exporter.portOf" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (eq $url.scheme "http" | ternary "80" "443") $port -}}
{{- end -}}

{{/* The ports of every gateway, each once, as a JSON list. */}}
{{- define "bytespike-exporter.gatewayPorts" -}}
{{- $shared := include "bytespike-exporter.sharedGateway" . -}}
{{- $ports := list -}}
{{- range .Values.accounts -}}
{{- $ports = append $ports (include "bytespike-exporter.portOf" (default $shared .baseUrl) | int) -}}
{{- end -}}
{{- toJson (uniq $ports) -}}
{{- end -}}

{{/* The OTLP receiver's port; empty where nothing is sent. */}}
{{- define "bytespike-exporter.otlpPort" -}}
{{- $otlp := default dict (default dict .Values.config).otlp -}}
{{- if kindIs "invalid" $otlp.endpoint -}}
{{- eq (default "" $otlp.protocol) "grpc" | ternary "4317" "4318" -}}
{{- else if $otlp.endpoint -}}
{{- include "bytespike-exporter.portOf" $otlp.endpoint -}}
{{- end -}}
{{- end -}}

{{/* Combinations that a schema cannot forbid, each with what to do. */}}
{{- define "bytespike-exporter.validate" -}}
{{- include "bytespike-exporter.removed" . -}}
{{- if not .Values.accounts -}}
{{- fail "accounts: needs at least one, for example --set 'accounts[0].name=prod' --set 'accounts[0].existingSecret.name=bytespike'" -}}
{{- end -}}
{{- $seen := dict -}}
{{- range .Values.accounts -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "accounts: two accounts are named %q" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- if .Values.persistence.enabled -}}
{{- if gt (int .Values.replicaCount) 1 -}}
{{- fail "replicaCount: more than one needs persistence.enabled=false, because a state file has one writer" -}}
{{- end -}}
{{- if ne .Values.strategy "Recreate" -}}
{{- fail "strategy: RollingUpdate needs persistence.enabled=false, because a state file has one writer" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.tap.account (not (hasKey $seen .Values.tap.account)) -}}
{{- fail (printf "tap.account: no account is named %q" .Values.tap.account) -}}
{{- end -}}
{{- if and .Values.tap.enabled (gt (len .Values.accounts) 1) (not .Values.tap.account) -}}
{{- fail "tap.account: needed with several accounts, to say whose the applications' keys are" -}}
{{- end -}}
{{- if and (include "bytespike-exporter.nginx" .) (eq (int .Values.tap.nginx.port) (int .Values.port)) -}}
{{- fail "tap.nginx.port: port is the same; each needs one of its own" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (lt (int .Values.replicaCount) 2) -}}
{{- fail "podDisruptionBudget.enabled: needs a replicaCount of 2 or more; with one pod it could only block node drains" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) -}}
{{- fail "serviceMonitor.enabled: needs service.enabled=true; podMonitor.enabled does without a Service" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "podMonitor.enabled: serviceMonitor.enabled is set too, and everything would be scraped twice" -}}
{{- end -}}
{{- end -}}

{{/* Values of earlier versions, each with what to do. */}}
{{- define "bytespike-exporter.removed" -}}
{{- if hasKey .Values.tap "proxy" -}}
{{- fail "tap.proxy: the proxy is nginx now, in a container of its own: take tap.proxy out and set tap.nginx.enabled" -}}
{{- end -}}
{{- if hasKey .Values.tap "proxyPort" -}}
{{- fail "tap.proxyPort: is called tap.nginx.port now" -}}
{{- end -}}
{{- if hasKey .Values.tap "allowHosts" -}}
{{- fail "tap.allowHosts: take it out, for nginx answers under every name; nothing replaces it" -}}
{{- end -}}
{{- if hasKey (default dict (default dict .Values.config).poll) "account_relaxed" -}}
{{- fail "config.poll.account_relaxed: take it out; accounts are polled at poll.account, and at once after a refusal on the traffic" -}}
{{- end -}}
{{- end -}}
