{{/* An image's reference. Argument: a dict of root, image, and the tag that stands in for an empty one. */}}
{{- define "kubernel.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" $registry .image.repository -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .defaultTag .image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "kubernel.operatorImage" -}}
{{- include "kubernel.image" (dict "root" . "image" .Values.image "defaultTag" .Chart.AppVersion) -}}
{{- end -}}

{{- define "kubernel.kernelImage" -}}
{{- include "kubernel.image" (dict "root" . "image" .Values.kernelDefaults.image "defaultTag" "latest") -}}
{{- end -}}

{{- define "kubernel.imagePullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
