{{/* Everything of a release has the release's name: one release is one engine. */}}
{{- define "vllm.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that never change over an engine's life: selectors are immutable. */}}
{{- define "vllm.selector" -}}
app.kubernetes.io/name: vllm
app.kubernetes.io/instance: {{ include "vllm.name" . }}
{{- end -}}

{{- define "vllm.labels" -}}
{{ include "vllm.selector" . }}
app.kubernetes.io/component: engine
app.kubernetes.io/part-of: bastide
app.kubernetes.io/managed-by: {{ .Release.Service }}
bastide.dev/role: engine
{{- end -}}

{{/* An image by digest; by its tag alone only where that was allowed. Arguments: image, name, allowed. */}}
{{- define "vllm.image" -}}
{{- $named := printf "%s:%s" .image.repository .image.tag -}}
{{- if ne .image.digest "unresolved" -}}
{{- printf "%s@%s" $named .image.digest -}}
{{- else if .allowed -}}
{{- $named -}}
{{- else -}}
{{- fail (printf "images.%s.digest is unresolved: a tag can be moved to another image; give the digest of %s, or set images.allowUnresolved in a sandbox" .name $named) -}}
{{- end -}}
{{- end -}}

{{/* The value after a flag of engine.args; empty where the flag is last or missing. */}}
{{- define "vllm.flag" -}}
{{- $found := "" -}}
{{- $before := "" -}}
{{- range .args -}}
{{- if eq $before $.flag -}}{{- $found = . -}}{{- end -}}
{{- $before = . -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* The command line and the objects around it are two statements of one fact: they must agree. */}}
{{- define "vllm.agree" -}}
{{- $wanted := dict "--model" .Values.model.path "--port" (toString .Values.engine.port) "--shutdown-timeout" (toString .Values.engine.shutdownSeconds) "--load-format" "safetensors" -}}
{{- range $flag, $value := $wanted -}}
{{- $given := include "vllm.flag" (dict "args" $.Values.engine.args "flag" $flag) -}}
{{- if ne $given $value -}}
{{- fail (printf "engine.args has %s %q and the chart's values say %q: probes, Service, volume and grace period are made from the values, so both must be the same" $flag $given $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What every container of the pod is: no root, no privilege, nothing writable but its volumes. */}}
{{- define "vllm.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}
