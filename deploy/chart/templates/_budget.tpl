{{- /* At most one pod of a part is taken away on purpose at a time. Takes: root, component. */ -}}
{{- define "latentaug.disruptionBudget" }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "latentaug.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  # A pod that is not ready, because something that it needs is away, must not keep a node from being emptied.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "latentaug.selector" . | nindent 6 }}
{{- end }}
