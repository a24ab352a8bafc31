{{/* The engine's pod, the same in a StatefulSet, a Deployment and a LeaderWorkerSet.
Arguments: root, and part: alone (a replica is a pod), leader or worker (a replica is several pods). */}}
{{- define "vllm.podTemplate" -}}
{{- $part := .part -}}
{{- with .root -}}
{{- $name := include "vllm.name" . -}}
{{- $images := .Values.images -}}
{{- $serves := ne $part "worker" -}}
metadata:
  labels:
    {{- include "vllm.labels" . | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: vllm
    {{- include "vllm.fetch.podAnnotations" . | nindent 4 }}
    # What is read once at start must start new pods when it changes.
    bastide.dev/files-sha256: {{ include "vllm.files" . | sha256sum }}
spec:
  serviceAccountName: {{ $name }}
  automountServiceAccountToken: false
  # Service variables of a Service named vllm would be read by vLLM as its own settings (VLLM_PORT).
  enableServiceLinks: false
  hostNetwork: false
  hostPID: false
  hostIPC: false
  # What preStop and the drain take, and 5 s for the processes to end.
  terminationGracePeriodSeconds: {{ add .Values.engine.preStopSeconds .Values.engine.shutdownSeconds 5 }}
  securityContext:
    runAsNonRoot: true
    # Any but 0 works: the images' files are readable by all, and what is written goes to volumes.
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  priorityClassName: {{ .Values.priorityClassName }}
  nodeSelector:
    bastide.dev/pool: {{ .Values.pool }}
  tolerations:
    {{- include "vllm.tolerations" . | nindent 4 }}
  # Preferences: GPUs are where they are, and a pod that waits for symmetry serves nobody.
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "vllm.selector" $.root | nindent 10 }}
    {{- end }}
  initContainers:
    {{- include "vllm.fetch.initContainer" . | nindent 4 }}
    {{- if $serves }}
    {{- include "vllm.proxy.container" . | nindent 4 }}
    {{- end }}
  containers:
    - name: vllm
      image: {{ include "vllm.image" (dict "image" $images.vllm "name" "vllm" "allowed" $images.allowUnresolved) }}
      imagePullPolicy: IfNotPresent
      command:
        {{- toYaml (ternary .Values.engine.workerCommand .Values.engine.command (eq $part "worker")) | nindent 8 }}
      args:
        {{- range ternary .Values.engine.workerArgs .Values.engine.args (eq $part "worker") }}
        - {{ . | quote }}
        {{- end }}
      env:
        {{- range $key, $value := .Values.engine.env }}
        - name: {{ $key }}
          value: {{ $value | quote }}
        {{- end }}
      resources:
        requests:
          cpu: {{ .Values.resources.cpu | quote }}
          memory: {{ .Values.resources.memoryGib }}Gi
          ephemeral-storage: {{ .Values.model.volumeGib }}Gi
          nvidia.com/gpu: {{ .Values.resources.gpus }}
          {{- with .Values.resources.efa }}
          vpc.amazonaws.com/efa: {{ . }}
          {{- end }}
        limits:
          memory: {{ .Values.resources.memoryGib }}Gi
          nvidia.com/gpu: {{ .Values.resources.gpus }}
          {{- with .Values.resources.efa }}
          vpc.amazonaws.com/efa: {{ . }}
          {{- end }}
      securityContext:
        {{- include "vllm.containerSecurity" . | nindent 8 }}
      {{- if $serves }}
      {{- include "vllm.probe.probes" . | nindent 6 }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        {{- include "vllm.fetch.modelMounts" . | nindent 8 }}
        - name: shm
          mountPath: /dev/shm
        - name: tmp
          mountPath: /tmp
        - name: cache
          mountPath: /cache
        - name: home
          mountPath: /home/vllm
        - name: probe
          mountPath: /etc/probe
          readOnly: true
        {{- if .Values.engine.files }}
        - name: engine-files
          mountPath: /etc/vllm
          readOnly: true
        {{- end }}
  volumes:
    {{- include "vllm.fetch.volumes" . | nindent 4 }}
    {{- if $serves }}
    {{- include "vllm.proxy.volumes" . | nindent 4 }}
    {{- end }}
    - name: probe
      configMap:
        name: {{ $name }}-probe
        defaultMode: 0444
    {{- if .Values.engine.files }}
    - name: engine-files
      configMap:
        name: {{ $name }}-engine
        defaultMode: 0444
    {{- end }}
    - name: shm
      emptyDir:
        medium: Memory
        sizeLimit: {{ .Values.resources.shmGib }}Gi
    - name: tmp
      emptyDir:
        sizeLimit: 4Gi
    # Compiled kernels and graphs.
    - name: cache
      emptyDir:
        sizeLimit: 16Gi
    - name: home
      emptyDir:
        sizeLimit: 1Gi
{{- end -}}
{{- end -}}

{{/* Everything that a container reads once, at its start. */}}
{{- define "vllm.files" -}}
{{ include "vllm.proxy.config" . }}
{{ include "vllm.proxy.certificate" . }}
{{ include "vllm.probe.config" . }}
{{ .Files.Get "files/engine_probe.py" }}
{{ toYaml .Values.engine.files }}
{{- end -}}

{{/* Of the pool's taints. */}}
{{- define "vllm.tolerations" -}}
- key: nvidia.com/gpu
  operator: Equal
  value: present
  effect: NoSchedule
{{- with .Values.tolerations }}
{{ toYaml . }}
{{- end }}
{{- end -}}
