{{- /* What the parts are called, and how they are found. */ -}}

{{- define "latentaug.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* Labels that never change, by which pods are selected. Takes: root, component. */ -}}
{{- define "latentaug.selector" -}}
app.kubernetes.io/name: latentaug
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* Name and labels of an object that belongs to one part. Takes: root, component. */ -}}
{{- define "latentaug.metadata" -}}
name: {{ include "latentaug.name" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "latentaug.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- /* The same, with the labels by which Prometheus chooses. Takes: root, component. */ -}}
{{- define "latentaug.watched" -}}
{{- $metadata := include "latentaug.metadata" . | fromYaml }}
{{- $_ := set $metadata "labels" (merge (dict) .root.Values.prometheus.labels $metadata.labels) }}
{{- toYaml $metadata }}
{{- end }}

{{- /* The URLs of all model servers, separated by commas. */ -}}
{{- define "latentaug.modelServers" -}}
{{- $service := printf "%s-model-server" (include "latentaug.name" .) -}}
{{- $urls := list -}}
{{- range $number := until (int .Values.modelServer.replicas) -}}
{{- $urls = append $urls (printf "http://%s-%d.%s:8001" $service $number $service) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end }}

{{- define "latentaug.valkeyHost" -}}
{{ .Values.valkey.external.host | default (printf "%s-valkey" (include "latentaug.name" .)) }}
{{- end }}

{{- define "latentaug.valkeyPort" -}}
{{ if .Values.valkey.external.host }}{{ .Values.valkey.external.port }}{{ else }}6379{{ end }}
{{- end }}

{{- /* "true" where Valkey is reached over TLS, which only an external one offers; otherwise empty. */ -}}
{{- define "latentaug.valkeyTls" -}}
{{ if and .Values.valkey.external.host .Values.valkey.external.tls }}true{{ end }}
{{- end }}

{{- /* "true" where the authority that has signed its certificate is one of your own; otherwise empty. */ -}}
{{- define "latentaug.valkeyCa" -}}
{{ if and (include "latentaug.valkeyTls" .) .Values.valkey.external.caSecret }}true{{ end }}
{{- end }}

{{- /* Seconds that a pod has to end, beyond those that the service takes to finish its requests. */ -}}
{{- define "latentaug.graceSeconds" -}}
{{ add 20 (ceil (.Values.settings.LATENTAUG_DRAIN_SECONDS | default 10)) }}
{{- end }}
