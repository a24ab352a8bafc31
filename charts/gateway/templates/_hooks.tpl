{{/* Annotations of what exists only while the release's hooks run. Argument: the weight, smaller ones first. */}}
{{- define "gateway.beforePods" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* A job's specification. Arguments: root, name, module, prefix (of its ConfigMaps), only (keys of the Secret that it
needs), env (more environment), first (module of a program that runs before it; none where it is missing). */}}
{{- define "gateway.job" -}}
{{- $root := .root -}}
# Three tries in all: a database that fails over is away for a minute or two.
backoffLimit: 2
activeDeadlineSeconds: {{ $root.Values.jobs.deadlineSeconds }}
template:
  metadata:
    labels:
      {{- include "gateway.otherLabels" (dict "root" $root "name" .name) | nindent 6 }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "gateway.name" $root }}-jobs
    {{- include "gateway.podSecurity" $root | nindent 4 }}
    priorityClassName: {{ $root.Values.priorityClassName }}
    nodeSelector:
      {{- include "gateway.nodeSelector" $root | nindent 6 }}
    {{- if .first }}
    initContainers:
      {{- include "gateway.jobContainer" (merge (dict "name" "administrator" "module" .first) .) | nindent 6 }}
    {{- end }}
    containers:
      {{- include "gateway.jobContainer" . | nindent 6 }}
    volumes:
      {{- include "gateway.volumes" (dict "root" $root "prefix" .prefix "only" .only) | nindent 6 }}
{{- end -}}

{{/* One program of a job. Arguments as above. */}}
{{- define "gateway.jobContainer" -}}
{{- $root := .root -}}
{{- $images := $root.Values.images -}}
- name: {{ .name }}
  image: {{ include "gateway.image" (dict "image" $images.gateway "name" "gateway" "allowed" $images.allowUnresolved) }}
  imagePullPolicy: IfNotPresent
  command: [python, -m, {{ .module }}]
  env:
    {{- include "gateway.env" $root | nindent 4 }}
    {{- range $key, $value := .env }}
    - name: {{ $key }}
      value: {{ $value | quote }}
    {{- end }}
  resources:
    requests:
      cpu: 250m
      memory: {{ $root.Values.resources.memoryMib }}Mi
      ephemeral-storage: {{ $root.Values.resources.tmpMib }}Mi
    limits:
      memory: {{ $root.Values.resources.memoryMib }}Mi
  securityContext:
    {{- include "gateway.containerSecurity" $root | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    {{- include "gateway.mounts" (dict "root" $root "serves" false "only" .only) | nindent 4 }}
{{- end -}}
