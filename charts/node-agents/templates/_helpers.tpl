{{/* Name of one agent's objects. Arguments: root, agent. */}}
{{- define "node-agents.name" -}}
{{- printf "%s-%s" (.root.Release.Name | trunc 40 | trimSuffix "-") .agent -}}
{{- end -}}

{{- define "node-agents.selector" -}}
app.kubernetes.io/name: {{ .agent }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "node-agents.labels" -}}
{{ include "node-agents.selector" . }}
app.kubernetes.io/component: node-agent
app.kubernetes.io/part-of: bastide
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{/* An image by digest; by its tag alone only where that was allowed. Arguments: image, name, allowed. */}}
{{- define "node-agents.image" -}}
{{- $named := printf "%s:%s" .image.repository .image.tag -}}
{{- if ne .image.digest "unresolved" -}}
{{- printf "%s@%s" $named .image.digest -}}
{{- else if .allowed -}}
{{- $named -}}
{{- else -}}
{{- fail (printf "%s.image.digest is unresolved: a tag can be moved to another image; give the digest of %s, or set allowUnresolved in a sandbox" .name $named) -}}
{{- end -}}
{{- end -}}

{{/* What agents' pods share: where they run, that they outlive ordinary pods, and, but where `token` says so, no access
to the API. */}}
{{- define "node-agents.pod" -}}
serviceAccountName: {{ include "node-agents.name" . }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
# Without its agent a GPU node is useless: it is the last to be evicted.
priorityClassName: system-node-critical
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - key: bastide.dev/pool
              operator: In
              values:
                {{- toYaml .pools | nindent 16 }}
tolerations:
  - key: nvidia.com/gpu
    operator: Equal
    value: present
    effect: NoSchedule
  {{- with .root.Values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
The plugin's own configuration for GPUs on which pods take turns (NVIDIA k8s-device-plugin, README, "With CUDA
Time-Slicing"). The resource keeps its name, so that engines ask as everywhere; more than one share is refused, as two
may be of one GPU. Arguments: replicas.
*/}}
{{- define "node-agents.timeSlicing" -}}
version: v1
sharing:
  timeSlicing:
    renameByDefault: false
    failRequestsGreaterThanOne: true
    resources:
      - name: nvidia.com/gpu
        replicas: {{ .replicas }}
{{- end -}}
