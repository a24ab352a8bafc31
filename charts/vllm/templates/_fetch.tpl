{{/* How the weights come into the pod: the init container, the volumes that it fills, and what engines mount of them. */}}

{{/* A container of the artifact agent. Arguments: root, action (fetch or hold). */}}
{{- define "vllm.fetch.agent" -}}
{{- $images := .root.Values.images -}}
{{- $fetch := .root.Values.fetch -}}
- name: {{ ternary "fetch-model" "hold-model" (eq .action "fetch") }}
  image: {{ include "vllm.image" (dict "image" $images.artifactAgent "name" "artifactAgent" "allowed" $images.allowUnresolved) }}
  imagePullPolicy: IfNotPresent
  command: [python3, -m, artifact_agent, {{ .action }}]
  env:
    - name: AWS_REGION
      value: {{ $fetch.region }}
    - name: MODELS
      value: {{ $fetch.models | toJson | quote }}
    - name: MODEL_PUBLIC_KEYS
      value: {{ $fetch.publicKeys | join "" | quote }}
    - name: MODEL_ALLOW_UNSIGNED
      value: {{ $fetch.allowUnsigned | quote }}
    - name: MODEL_ROOT
      value: /models
    {{- if eq $fetch.cache.kind "node" }}
    - name: MODEL_CACHE_BYTES
      value: {{ mul $fetch.cache.sizeGib 1073741824 | quote }}
    {{- end }}
    - name: WORK_DIR
      value: /work
    - name: HOME
      value: /work
  resources:
    {{- if eq .action "fetch" }}
    # 32 ranges of 1 MiB are in memory at once; what lies in the page cache is given back when it is wanted.
    requests:
      cpu: "1"
      memory: 1Gi
      {{- if eq $fetch.cache.kind "pod" }}
      ephemeral-storage: {{ .root.Values.model.volumeGib }}Gi
      {{- end }}
    limits:
      memory: 1Gi
    {{- else }}
    # It sleeps.
    requests:
      cpu: 10m
      memory: 128Mi
    limits:
      memory: 128Mi
    {{- end }}
  {{- if eq .action "hold" }}
  # A container beside the engine, for the pod's whole life: with its end the kernel takes its locks away.
  restartPolicy: Always
  {{- end }}
  securityContext:
    {{- include "vllm.containerSecurity" .root | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: model
      mountPath: /models
    - name: fetch-work
      mountPath: /work
{{- end -}}

{{/* Init containers. Of a node's cache the model is held first, so that it is not evicted between fetch and engine. */}}
{{- define "vllm.fetch.initContainer" -}}
{{- if eq .Values.fetch.cache.kind "node" -}}
{{ include "vllm.fetch.agent" (dict "root" . "action" "hold") }}
{{ end -}}
{{ include "vllm.fetch.agent" (dict "root" . "action" "fetch") }}
{{- end -}}

{{/* Volumes of the pod that the weights need; a claim brings its own. */}}
{{- define "vllm.fetch.volumes" -}}
{{- if eq .Values.fetch.cache.kind "pod" -}}
# On the node's instance store, where it has one: it outlives every container of the pod, and ends with the pod.
- name: model
  emptyDir:
    sizeLimit: {{ .Values.model.volumeGib }}Gi
{{ end -}}
- name: fetch-work
  emptyDir:
    sizeLimit: 64Mi
{{- end -}}

{{/* Claims of the StatefulSet; empty where the weights live and die with the pod. */}}
{{- define "vllm.fetch.volumeClaimTemplates" -}}
{{- if eq .Values.fetch.cache.kind "node" -}}
# A local volume: the claim keeps the pod on the node that has its models, for as long as that node is there.
- metadata:
    name: model
  spec:
    accessModes: [ReadWriteOnce]
    storageClassName: {{ .Values.fetch.cache.storageClass }}
    resources:
      requests:
        storage: {{ .Values.fetch.cache.sizeGib }}Gi
{{- end -}}
{{- end -}}

{{/* What a container that reads the weights mounts of them: read-only, at /models/NAME/VERSION. */}}
{{- define "vllm.fetch.modelMounts" -}}
{{- if eq .Values.fetch.cache.kind "node" -}}
{{- range .Values.fetch.models }}
- name: model
  mountPath: {{ .path }}
  # Under its digest: whatever name it has, equal bytes lie there once.
  subPath: sha256-{{ .sha256 }}
  readOnly: true
{{- end }}
{{- else -}}
- name: model
  mountPath: /models
  readOnly: true
{{- end -}}
{{- end -}}

{{/* Annotations of the pod: what must start new pods when it changes. The agent's input stands in its environment. */}}
{{- define "vllm.fetch.podAnnotations" -}}
{{- end -}}
