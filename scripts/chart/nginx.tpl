{{/* The ConfigMap's entries for nginx. A dict: listen (what follows that word), report (where the
exporter takes datagrams) and gateway (its URL). */}}
{{- define "CHART.nginxFiles" -}}
{{- $url := urlParse .gateway -}}
{{- if trimSuffix "/" $url.path -}}
{{- fail (printf "tap.nginx.enabled: nginx passes calls to the root of a gateway, and the base URL %s has a path" .gateway) -}}
{{- end -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "http" | ternary "80" "443") -}}
nginx.conf: |
FILE nginx.conf
main.conf: |
FILE main.conf
start.sh: |
FILE start.sh
{{- end -}}

{{/* nginx's container. A dict: image, resources, securityContext, and either sidecar (true: it runs
beside the containers of an application, and starts before them) or port (where others call it). */}}
{{- define "CHART.nginxContainer" -}}
- name: bytespike-nginx
  {{- with .image }}
  image: {{ .digest | empty | ternary (printf "%s:%s" .repository .tag) (printf "%s@%s" .repository .digest) | quote }}
  imagePullPolicy: {{ .pullPolicy }}
  {{- end }}
  command: [sh, /etc/bytespike-nginx/start.sh]
  {{- if .sidecar }}
  restartPolicy: Always
  startupProbe:
    exec:
      command: [test, -e, /tmp/started]
    periodSeconds: 1
    failureThreshold: 60
  {{- else }}
  ports:
    - name: tap-proxy
      containerPort: {{ int .port }}
      protocol: TCP
  readinessProbe:
    tcpSocket:
      port: tap-proxy
    periodSeconds: 5
  {{- end }}
  securityContext:
    {{- toYaml .securityContext | nindent 4 }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  volumeMounts:
    - name: bytespike-nginx
      mountPath: /etc/bytespike-nginx
      readOnly: true
    - name: bytespike-nginx-tmp
      mountPath: /tmp
{{- end -}}

{{/* Its volumes; the argument is the name of the ConfigMap. */}}
{{- define "CHART.nginxVolumes" -}}
- name: bytespike-nginx
  configMap:
    name: {{ . }}
    items:
      {{- range list "nginx.conf" "main.conf" "start.sh" }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
- name: bytespike-nginx-tmp
  emptyDir:
    sizeLimit: 16Mi
{{- end -}}
