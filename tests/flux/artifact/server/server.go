// Package server serves the folder of the artifacts.
package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/fluxcd/pkg/artifact/config"
)

// Start serves until the context ends.
func Start(ctx context.Context, options *config.Options) error {
	server := &http.Server{Addr: options.StorageAddress, Handler: http.FileServer(http.Dir(options.StoragePath))}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
