{{- define "bytespike-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "bytespike-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "bytespike-exporter.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "bytespike-exporter.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "bytespike-exporter.tapName" -}}
{{- printf "%s-tap" (include "bytespike-exporter.fullname" .) -}}
{{- end -}}

{{- define "bytespike-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "bytespike-exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "bytespike-exporter.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What every pod of the release shares: the network policy selects by it. */}}
{{- define "bytespike-exporter.releaseLabels" -}}
app.kubernetes.io/name: {{ include "bytespike-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* What only the exporter's own pods have: Deployment, Service and monitors select by it. */}}
{{- define "bytespike-exporter.selectorLabels" -}}
{{ include "bytespike-exporter.releaseLabels" . }}
app.kubernetes.io/component: exporter
{{- end -}}

{{/* commonLabels come first and cannot replace the others: selectors would miss their pods. */}}
{{- define "bytespike-exporter.labels" -}}
{{- $own := dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "bytespike-exporter"
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63) -}}
{{- toYaml (mergeOverwrite (dict) .Values.commonLabels $own (include "bytespike-exporter.releaseLabels" . | fromYaml)) -}}
{{- end -}}

{{/* The metadata of an object: a dict of context, name, and optionally component, labels,
annotations and namespace. */}}
{{- define "bytespike-exporter.metadata" -}}
{{- $root := .context -}}
name: {{ .name }}
namespace: {{ default $root.Release.Namespace .namespace }}
labels:
  {{- $labels := include "bytespike-exporter.labels" $root | fromYaml }}
  {{- if .component }}
  {{- $labels = mergeOverwrite (dict) $labels (dict "app.kubernetes.io/component" .component) }}
  {{- end }}
  {{- toYaml (mergeOverwrite (dict) (default dict .labels) $labels) | nindent 2 }}
{{- with mergeOverwrite (dict) $root.Values.commonAnnotations (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
