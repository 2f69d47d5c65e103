module kuberevive.invalid/lab/web

go 1.26
