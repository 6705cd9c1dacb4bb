// The program flux, copied from here before it is compiled: see `assets` in the folder above.
module runbook/tests/flux/cli

go 1.26.0

require github.com/fluxcd/flux2/v2 v2.9.5
