{{/* What the exporter's pod and the test's pod have in common. */}}
{{- define "bytespike-exporter.podSettings" -}}
serviceAccountName: {{ include "bytespike-exporter.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* What their containers have in common. */}}
{{- define "bytespike-exporter.containerSettings" -}}
image: {{ include "bytespike-exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if or .Values.otlpHeaders.existingSecret .Values.extraEnv }}
env:
  {{- with .Values.otlpHeaders }}
  {{- if .existingSecret }}
  - name: OTEL_EXPORTER_OTLP_HEADERS
    valueFrom:
      secretKeyRef:
        name: {{ .existingSecret }}
        key: {{ .key }}
  {{- end }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/bytespike
    readOnly: true
  - name: keys
    mountPath: /var/run/secrets/bytespike
    readOnly: true
  {{- if .Values.webhook.existingSecret }}
  - name: webhook
    mountPath: /var/run/secrets/bytespike-webhook
    readOnly: true
  {{- end }}
  {{- if include "bytespike-exporter.signing" . | fromJsonArray }}
  - name: webhooks
    mountPath: /var/run/secrets/bytespike-webhooks
    readOnly: true
  {{- end }}
  - name: state
    mountPath: /var/lib/bytespike
  - name: tmp
    mountPath: /tmp
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "bytespike-exporter.emptyState" -}}
- name: state
  emptyDir:
    sizeLimit: {{ .Values.persistence.size }}
{{- end -}}

{{/* Everything but the state. Keys are files, so that a changed Secret arrives without a restart. */}}
{{- define "bytespike-exporter.volumes" -}}
- name: config
  configMap:
    name: {{ include "bytespike-exporter.fullname" . }}
- name: keys
  projected:
    defaultMode: 0440
    sources:
      {{- range .Values.accounts }}
      - secret:
          {{- if .apiKey }}
          name: {{ include "bytespike-exporter.fullname" $ }}-keys
          items:
            - key: {{ .name | quote }}
          {{- else }}
          name: {{ .existingSecret.name }}
          items:
            - key: {{ default "api-key" .existingSecret.key }}
          {{- end }}
              path: {{ .name | quote }}
      {{- end }}
{{- with .Values.webhook }}
{{- if .existingSecret }}
- name: webhook
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ .key }}
        path: secret
{{- end }}
{{- end }}
{{- with include "bytespike-exporter.signing" . | fromJsonArray }}
- name: webhooks
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ .webhookSecret.name }}
          items:
            - key: {{ default "secret" .webhookSecret.key }}
              path: {{ .name | quote }}
      {{- end }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 16Mi
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
