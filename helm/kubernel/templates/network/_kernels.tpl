{{/* The labels of kernel pods: kubernel_api.constants, LABEL_MANAGED_BY and LABEL_COMPONENT. */}}
{{- define "kubernel.kernelLabels" -}}
app.kubernetes.io/managed-by: kubernel
app.kubernetes.io/component: kernel
{{- end -}}
