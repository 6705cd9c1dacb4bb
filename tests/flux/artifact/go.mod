// What this folder has to offer to source-controller in the place of github.com/fluxcd/pkg/artifact, of which no version can be had with
// its contents: folders are packed into a folder of artifacts, and served from there. Written for these tests; nothing is signed, and
// one source-controller has the folder for itself.
module github.com/fluxcd/pkg/artifact

go 1.26.0

require (
	github.com/fluxcd/pkg/apis/meta v1.30.2
	github.com/fluxcd/pkg/sourceignore v0.18.0
	github.com/fluxcd/pkg/tar v1.2.0
	github.com/opencontainers/go-digest v1.0.1-0.20231025023718-d50d2fec9c98
	github.com/spf13/pflag v1.0.10
	k8s.io/apimachinery v0.36.4
)
