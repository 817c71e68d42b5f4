{{- /* What all pods have in common: none runs as root, gains a right, or writes to its root. */ -}}

{{- /* The beginning of a pod's specification. Takes: root, component, part (its values), user. */ -}}
{{- define "latentaug.pod" -}}
serviceAccountName: {{ include "latentaug.name" .root }}
automountServiceAccountToken: false
# Kubernetes would add variables such as LATENTAUG_API_PORT, which the service refuses as unknown settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "latentaug.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- /* Image, rights and resources of a container of the service. Takes: root, part. */ -}}
{{- define "latentaug.container" -}}
{{- $image := .root.Values.image -}}
image: {{ printf "%s:%s" $image.repository ($image.tag | default .root.Chart.AppVersion) }}
imagePullPolicy: {{ $image.pullPolicy }}
{{ include "latentaug.confined" . }}
resources:
  requests:
    {{- toYaml .part.resources.requests | nindent 4 }}
  limits:
    {{- toYaml .part.resources.limits | nindent 4 }}
    {{- if .part.gpu }}
    nvidia.com/gpu: 1
    {{- end }}
{{- end }}

{{- /* The settings of all processes of the service. Takes: root, component, part. */ -}}
{{- define "latentaug.settings" -}}
- name: LATENTAUG_HOME
  value: /data
- name: LATENTAUG_STORE_URL
  value: {{ .root.Values.store.url | default "file:///store" }}
- name: LATENTAUG_DEVICE
  value: {{ if .part.gpu }}cuda{{ else }}cpu{{ end }}
# The service would count the node's cores, not those that this pod may expect.
- name: LATENTAUG_THREADS
  valueFrom:
    resourceFieldRef:
      resource: requests.cpu
{{- /*
These two ask for API keys, which only the API has; another process would not start with them. As JSON a number stays what
it is: Helm itself would write 67108864 as 6.7108864e+07.
*/}}
{{- $ofTheApi := list "LATENTAUG_CORS_ORIGINS" "LATENTAUG_TENANTS" }}
{{- range $name, $value := .root.Values.settings }}
{{- if or (eq $.component "api") (not (has $name $ofTheApi)) }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* How to reach Valkey. The password is letters and digits, as it stands in a URL. Takes: root. */ -}}
{{- define "latentaug.valkeySettings" -}}
{{- $scheme := ternary "rediss" "redis" (eq "true" (include "latentaug.valkeyTls" .root)) -}}
{{- $host := printf "%s:%s" (include "latentaug.valkeyHost" .root) (include "latentaug.valkeyPort" .root) -}}
{{- $options := ternary "?ssl_ca_certs=/etc/valkey/ca.crt" "" (eq "true" (include "latentaug.valkeyCa" .root)) -}}
- name: VALKEY_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.valkey.secret }}
      key: latentaug
- name: LATENTAUG_REDIS_URL
  value: {{ $scheme }}://latentaug:$(VALKEY_PASSWORD)@{{ $host }}/0{{ $options }}
{{- with .root.Values.webhookSecret }}
- name: LATENTAUG_WEBHOOK_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: secret
{{- end }}
{{- end }}

{{- /* The keys of the bucket, which the service's store reads from variables such as AWS_ACCESS_KEY_ID. */ -}}
{{- define "latentaug.bucketKeys" -}}
{{- with .root.Values.store.secret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}

{{- define "latentaug.mounts" -}}
- name: data
  mountPath: /data
- name: tmp
  mountPath: /tmp
{{- if not .root.Values.store.url }}
- name: store
  mountPath: /store
{{- end }}
{{- end }}

{{- define "latentaug.volumes" -}}
- name: data
  emptyDir:
    sizeLimit: {{ .root.Values.home.size }}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
{{- if not .root.Values.store.url }}
- name: store
  persistentVolumeClaim:
    claimName: {{ include "latentaug.name" .root }}-store
{{- end }}
{{- end }}

{{- /* The certificate of the authority that has signed an external Valkey's. */ -}}
{{- define "latentaug.caMount" -}}
{{- if include "latentaug.valkeyCa" .root }}
- name: valkey-ca
  mountPath: /etc/valkey
  readOnly: true
{{- end }}
{{- end }}

{{- define "latentaug.caVolume" -}}
{{- if include "latentaug.valkeyCa" .root }}
- name: valkey-ca
  secret:
    secretName: {{ .root.Values.valkey.external.caSecret }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}
