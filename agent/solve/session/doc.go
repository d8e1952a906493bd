// Package session is what the agent serves to a builder during a solve besides
// files: credentials and tokens of registries (Credentials), for the registries
// that the build names (Hosts), secrets (OpenSecrets) and SSH agents (OpenSSH).
// What a registry refused to the builder is explained here, too (RefusedError),
// because the agent knows whose credential was used.
package session
