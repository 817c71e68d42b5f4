{{- /*
How KEDA scales the workers of one queue. Takes: root, component, part, queues.

It counts what waits, the length of RQ's list, and what runs, the size of a sorted set of ours (KEDA's scaler for lists
counts both kinds of keys): RQ takes a job off its list when a worker begins it. Kubernetes chooses itself which pod it
takes away, and might choose one that works. So the number only grows while there is anything to do, and all go at once
when there has been nothing for some minutes.
*/ -}}
{{- define "latentaug.scaling" }}
{{- $keda := .root.Values.keda }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "latentaug.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ include "latentaug.name" .root }}-{{ .component }}
  minReplicaCount: 0
  maxReplicaCount: {{ .part.replicas }}
  pollingInterval: {{ $keda.pollingSeconds }}
  cooldownPeriod: {{ $keda.cooldownSeconds }}
  advanced:
    scalingModifiers:
      formula: waiting + running
      target: "1"
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          selectPolicy: Disabled
  triggers:
    {{- $root := .root }}
    {{- $queue := first .queues }}
    {{- /* KEDA calls from its own namespace. */}}
    {{- $own := printf "%s-valkey.%s" (include "latentaug.name" $root) $root.Release.Namespace }}
    {{- $waiting := printf "rq:queue:%s" $queue }}
    {{- $running := printf "latentaug:jobs:%s:running" $queue }}
    {{- range $name, $key := dict "waiting" $waiting "running" $running }}
    - type: redis
      name: {{ $name }}
      metadata:
        address: {{ $root.Values.valkey.external.host | default $own }}:{{ include "latentaug.valkeyPort" $root }}
        listName: {{ $key }}
        listLength: "1"
        enableTLS: {{ include "latentaug.valkeyTls" $root | default "false" | quote }}
      authenticationRef:
        name: {{ include "latentaug.name" $root }}-keda
    {{- end }}
{{- end }}
