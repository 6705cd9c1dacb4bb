// Package digest names the algorithms that artifacts are digested with.
package digest

import (
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Canonical is what is used where nothing else is asked for.
var Canonical = digest.SHA256

// AlgorithmForName gives the algorithm of that name.
func AlgorithmForName(name string) (digest.Algorithm, error) {
	algorithm := digest.Algorithm(name)
	if !algorithm.Available() {
		return "", fmt.Errorf("there is no digest algorithm %q", name)
	}
	return algorithm, nil
}
