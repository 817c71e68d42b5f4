{{- /* A Deployment of workers. Takes: root, component, part, user, queues (a list), replicas (none where KEDA says). */ -}}
{{- define "latentaug.worker" }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "latentaug.metadata" . | nindent 2 }}
spec:
  {{- with .replicas }}
  replicas: {{ . }}
  {{- end }}
  # The old pod goes first, as there may be no second GPU for the new one.
  strategy:
    rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
  selector:
    matchLabels:
      {{- include "latentaug.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "latentaug.selector" . | nindent 8 }}
    spec:
      {{- include "latentaug.pod" . | nindent 6 }}
      # A worker that is told to end puts its job back into the queue, where it goes on from its last checkpoint.
      terminationGracePeriodSeconds: 60
      containers:
        - name: worker
          {{- include "latentaug.container" . | nindent 10 }}
          command: [python, -m, worker]
          env:
            {{- include "latentaug.settings" . | nindent 12 }}
            {{- include "latentaug.valkeySettings" . | nindent 12 }}
            - name: LATENTAUG_QUEUES
              value: {{ .queues | toJson | quote }}
          {{- include "latentaug.bucketKeys" . | nindent 10 }}
          # There is no probe of life: a worker restarts its own processes, and one that waits for Valkey must go on.
          readinessProbe:
            exec:
              command: [python, -m, worker, --health]
            periodSeconds: 30
            timeoutSeconds: 15
          volumeMounts:
            {{- include "latentaug.mounts" . | nindent 12 }}
            {{- include "latentaug.caMount" . | nindent 12 }}
      volumes:
        {{- include "latentaug.volumes" . | nindent 8 }}
        {{- include "latentaug.caVolume" . | nindent 8 }}
{{- end }}
