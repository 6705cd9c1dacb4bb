// Package config has the flags of source-controller about its artifacts.
package config

import (
	"time"

	"github.com/spf13/pflag"
)

// Options say where artifacts are kept and how they are served.
type Options struct {
	StoragePath              string
	StorageAddress           string
	StorageAdvAddress        string
	ArtifactRetentionTTL     time.Duration
	ArtifactRetentionRecords int
	ArtifactDigestAlgo       string
}

// BindFlags declares the flags.
func (o *Options) BindFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.StoragePath, "storage-path", "/data", "the folder of the artifacts")
	flags.StringVar(&o.StorageAddress, "storage-addr", "127.0.0.1:9090", "the address that they are served on")
	flags.StringVar(&o.StorageAdvAddress, "storage-adv-addr", "", "the address that others find them at")
	flags.DurationVar(&o.ArtifactRetentionTTL, "artifact-retention-ttl", time.Minute, "how long an old artifact stays")
	flags.IntVar(&o.ArtifactRetentionRecords, "artifact-retention-records", 2, "how many artifacts always stay")
	flags.StringVar(&o.ArtifactDigestAlgo, "artifact-digest-algo", "sha256", "what artifacts are digested with")
}
