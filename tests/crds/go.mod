// The modules that publish the custom resource definitions of the cluster tests. Nothing is compiled from them:
// `go mod download` fetches them, and go.sum holds them to what was published.
module runbook/tests/crds

go 1.26.0

require (
	github.com/external-secrets/external-secrets v1.3.2
	github.com/fluxcd/helm-controller v1.6.4
	github.com/fluxcd/kustomize-controller v1.9.5
	github.com/fluxcd/source-controller v1.9.5
	sigs.k8s.io/gateway-api v1.5.1
)
