{{/* Everything of the release has the release's name, or starts with it. */}}
{{- define "gateway.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that never change: selectors are immutable. */}}
{{- define "gateway.selector" -}}
app.kubernetes.io/name: gateway
app.kubernetes.io/instance: {{ include "gateway.name" . }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/component: gateway
{{ include "gateway.common" . }}
bastide.dev/role: gateway
{{- end -}}

{{- define "gateway.common" -}}
app.kubernetes.io/part-of: bastide
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Labels of what is no gateway, so that neither its Service nor its policies, nor those of the engines, take it for
one. Arguments: root, name. */}}
{{- define "gateway.otherSelector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ include "gateway.name" .root }}
{{- end -}}

{{- define "gateway.otherLabels" -}}
{{ include "gateway.otherSelector" . }}
app.kubernetes.io/component: {{ .name }}
{{ include "gateway.common" .root }}
{{- end -}}

{{/* An image by digest; by its tag alone only where that was allowed. Arguments: image, name, allowed. */}}
{{- define "gateway.image" -}}
{{- $named := printf "%s:%s" .image.repository .image.tag -}}
{{- if ne .image.digest "unresolved" -}}
{{- printf "%s@%s" $named .image.digest -}}
{{- else if .allowed -}}
{{- $named -}}
{{- else -}}
{{- fail (printf "images.%s.digest is unresolved: a tag can be moved to another image; give the digest of %s, or set images.allowUnresolved in a sandbox" .name $named) -}}
{{- end -}}
{{- end -}}

{{/* What every container is: no root, no privilege, nothing writable but its volumes. */}}
{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What every pod is. 65534 is `nobody`, the user for whom LiteLLM's makers build the image. Argument: root. */}}
{{- define "gateway.podSecurity" -}}
automountServiceAccountToken: false
# Service variables of a Service named `gateway` or `redis` are nobody's settings.
enableServiceLinks: false
hostNetwork: false
hostPID: false
hostIPC: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65534
  runAsGroup: 65534
  fsGroup: 65534
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* Where pods run: nodes without GPUs. */}}
{{- define "gateway.nodeSelector" -}}
bastide.dev/pool: {{ .Values.pool }}
{{- end -}}

{{/* http or https, of the gateway's own ports. */}}
{{- define "gateway.scheme" -}}
{{- ternary "https" "http" (ne .Values.tls.secretName "") -}}
{{- end -}}

{{/* Base URL of the gateway inside the cluster. */}}
{{- define "gateway.url" -}}
{{ include "gateway.scheme" . }}://{{ include "gateway.name" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}
{{- end -}}

{{/* Base URL of its management calls. */}}
{{- define "gateway.adminUrl" -}}
{{ include "gateway.scheme" . }}://{{ include "gateway.name" . }}.{{ .Release.Namespace }}.svc:{{ .Values.ports.admin }}
{{- end -}}

{{/* Key of a file of the package in its ConfigMap: a key has no slash. Argument: path. */}}
{{- define "gateway.packageKey" -}}
{{- . | replace "/" "." -}}
{{- end -}}

{{/* Everything that a process reads once, at its start: a change of it starts new pods. */}}
{{- define "gateway.filesSha256" -}}
{{- dict "config" .Values.config "package" .Values.package "trust" .Values.trust | toJson | sha256sum -}}
{{- end -}}
