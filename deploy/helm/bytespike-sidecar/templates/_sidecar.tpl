{{/* Each template takes the context of the chart that depends on this one. */}}
{{- define "bytespike-sidecar.values" -}}
{{- index .Values "bytespike-sidecar" | toJson -}}
{{- end -}}

{{- define "bytespike-sidecar.configMapName" -}}
{{- $values := include "bytespike-sidecar.values" . | fromJson -}}
{{- default (printf "%s-bytespike-sidecar" (trunc 40 .Release.Name | trimSuffix "-")) $values.configMapName -}}
{{- end -}}

{{/* The exporter's configuration. Whole numbers stay whole, which toYaml would not keep. */}}
{{- define "bytespike-sidecar.config" -}}
{{- $values := include "bytespike-sidecar.values" . | fromJson -}}
accounts:
  - name: {{ toJson $values.accountName }}
    api_key_file: /var/run/secrets/bytespike/api-key
state:
  path: /var/lib/bytespike/bytespike.db
http:
  listen: {{ printf "%s:%d" $values.listenAddress (int $values.port) | toJson }}
{{- with $values.tap }}
{{- if .enabled }}
tap:
  listen: {{ printf "127.0.0.1:%d" (int .port) | toJson }}
{{- end }}
{{- end }}
{{- range $section, $settings := $values.config }}
{{- if $settings }}
{{ $section }}:
{{- range $key, $value := $settings }}
{{- if not (kindIs "invalid" $value) }}
  {{ toJson $key }}: {{ if kindIs "float64" $value }}{{ int64 $value }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What is in the ConfigMap. */}}
{{- define "bytespike-sidecar.files" -}}
{{- $values := include "bytespike-sidecar.values" . | fromJson -}}
{{- include "bytespike-sidecar.removed" $values -}}
config.yaml: |
  {{- include "bytespike-sidecar.config" . | nindent 2 }}
{{- if and $values.tap.enabled $values.tap.nginx.enabled }}
{{- $gateway := default "https://llm.bytespike.ai" (default dict (default dict $values.config).gateway).base_url }}
{{- $listen := printf "127.0.0.1:%d" (int $values.tap.nginx.port) }}
{{- $report := printf "127.0.0.1:%d" (int $values.tap.port) }}
{{ include "bytespike-sidecar.nginxFiles" (dict "listen" $listen "report" $report "gateway" $gateway) }}
{{- end }}
{{- end -}}

{{/* Values of earlier versions, each with what to do. */}}
{{- define "bytespike-sidecar.removed" -}}
{{- if hasKey .tap "proxy" -}}
{{- fail "tap.proxy: the proxy is nginx now, in a container of its own: take tap.proxy out and set tap.nginx.enabled" -}}
{{- end -}}
{{- if hasKey .tap "proxyPort" -}}
{{- fail "tap.proxyPort: is called tap.nginx.port now" -}}
{{- end -}}
{{- if hasKey (default dict (default dict .config).poll) "account_relaxed" -}}
{{- fail "config.poll.account_relaxed: take it out; accounts are polled at poll.account, and at once after a refusal on the traffic" -}}
{{- end -}}
{{- end -}}

{{- define "bytespike-sidecar.securityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* A list, for initContainers: native sidecars start before the application's containers, run
beside them and end after them. */}}
{{- define "bytespike-sidecar.initContainers" -}}
{{- $values := include "bytespike-sidecar.values" . | fromJson -}}
- name: bytespike-exporter
  {{- with $values.image }}
  image: {{ .digest | empty | ternary (printf "%s:%s" .repository .tag) (printf "%s@%s" .repository .digest) | quote }}
  imagePullPolicy: {{ .pullPolicy }}
  {{- end }}
  restartPolicy: Always
  args: [run, --config, /etc/bytespike/config.yaml]
  {{- with $values.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: bytespike
      containerPort: {{ int $values.port }}
      protocol: TCP
  livenessProbe:
    httpGet:
      path: /livez
      port: bytespike
    {{- toYaml $values.livenessProbe | nindent 4 }}
  securityContext:
    {{- include "bytespike-sidecar.securityContext" . | nindent 4 }}
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  volumeMounts:
    - name: bytespike-config
      mountPath: /etc/bytespike
      readOnly: true
    - name: bytespike-key
      mountPath: /var/run/secrets/bytespike
      readOnly: true
    - name: bytespike-state
      mountPath: /var/lib/bytespike
    - name: bytespike-tmp
      mountPath: /tmp
    {{- with $values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- if and $values.tap.enabled $values.tap.nginx.enabled }}
{{- $context := include "bytespike-sidecar.securityContext" . | fromYaml }}
{{- with $values.tap.nginx }}
{{ include "bytespike-sidecar.nginxContainer" (dict "image" .image "resources" .resources "sidecar" true "securityContext" $context) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A list, for env of the application's container: where the tap is. Empty without a tap. */}}
{{- define "bytespike-sidecar.tapEnv" -}}
{{- $values := include "bytespike-sidecar.values" . | fromJson -}}
{{- with $values.tap -}}
{{- if and .enabled .nginx.enabled -}}
- name: OPENAI_BASE_URL
  value: {{ printf "http://127.0.0.1:%d/v1" (int .nginx.port) | quote }}
- name: ANTHROPIC_BASE_URL
  value: {{ printf "http://127.0.0.1:%d" (int .nginx.port) | quote }}
{{- else if .enabled -}}
- name: BYTESPIKE_TAP
  value: {{ printf "127.0.0.1:%d" (int .port) | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A list, for volumes. */}}
{{- define "bytespike-sidecar.volumes" -}}
{{- $values := include "bytespike-sidecar.values" . | fromJson -}}
- name: bytespike-config
  configMap:
    name: {{ include "bytespike-sidecar.configMapName" . }}
- name: bytespike-key
  secret:
    secretName: {{ $values.existingSecret.name }}
    items:
      - key: {{ $values.existingSecret.key }}
        path: api-key
- name: bytespike-state
  emptyDir:
    sizeLimit: 64Mi
- name: bytespike-tmp
  emptyDir:
    sizeLimit: 16Mi
{{- if and $values.tap.enabled $values.tap.nginx.enabled }}
{{ include "bytespike-sidecar.nginxVolumes" (include "bytespike-sidecar.configMapName" .) }}
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A pod annotation, so that a changed configuration starts the pods anew. */}}
{{- define "bytespike-sidecar.podAnnotations" -}}
checksum/bytespike-sidecar: {{ include "bytespike-sidecar.files" . | sha256sum }}
{{- end -}}

{{/* The ConfigMap that the volumes name. */}}
{{- define "bytespike-sidecar.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "bytespike-sidecar.configMapName" . }}
  labels:
    app.kubernetes.io/name: bytespike-sidecar
    app.kubernetes.io/instance: {{ .Release.Name | quote }}
data:
  {{- include "bytespike-sidecar.files" . | nindent 2 }}
{{- end -}}
