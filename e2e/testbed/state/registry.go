package state

import (
	"fmt"
	"os"
	"strings"
)

// Registry is a registry that this machine, every node and every pod reach, by
// TLS with a certificate of the testbed's own authority.
type Registry struct {
	// Address is the IP address and the port.
	Address string `json:"address"`
	// Name is a host name and the port. The nodes know it; a pod needs an
	// alias for the host, and this machine a dialer.
	Name string `json:"name,omitempty"`
	// CA and CAKey are the files of the authority's certificate and key, PEM.
	CA    string `json:"ca"`
	CAKey string `json:"caKey,omitempty"`
	// Username and Password are those of the user who may do everything.
	// Passwords are not in the state file, but in files of their own.
	Username     string `json:"username"`
	PasswordFile string `json:"passwordFile"`
	Password     string `json:"-"`
	// Others are the other users: with a registry of tokens, reader may only
	// pull, team may push and pull in repositories below team/, and the tokens
	// of brief live for 5 seconds, those of minute for 60.
	Others []User `json:"others,omitempty"`
	// Storage is the folder of the registry's files.
	Storage string `json:"storage,omitempty"`
	// Base is the base image, and Scanner a scanner for --sbom: references of
	// indexes of linux/amd64 and linux/arm64.
	Base    string `json:"base,omitempty"`
	Scanner string `json:"scanner,omitempty"`
}

// User is a user of a registry.
type User struct {
	Username     string `json:"username"`
	PasswordFile string `json:"passwordFile"`
	Password     string `json:"-"`
}

// User returns the user of that name; false where there is none.
func (r Registry) User(name string) (User, bool) {
	for _, user := range append([]User{{Username: r.Username, PasswordFile: r.PasswordFile, Password: r.Password}}, r.Others...) {
		if user.Username == name {
			return user, true
		}
	}
	return User{}, false
}

// ReadPasswords reads the password files into Password. Load and Read do it.
func (r *Registry) ReadPasswords() error {
	var err error
	if r.Password, err = readPassword(r.PasswordFile); err != nil {
		return err
	}
	for i, user := range r.Others {
		if r.Others[i].Password, err = readPassword(user.PasswordFile); err != nil {
			return err
		}
	}
	return nil
}

func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a password of the testbed's registry: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func foreignRegistry() Registry {
	return Registry{
		Address:      os.Getenv("TESTBED_REGISTRY"),
		CA:           os.Getenv("TESTBED_REGISTRY_CA"),
		Username:     os.Getenv("TESTBED_REGISTRY_USERNAME"),
		PasswordFile: os.Getenv("TESTBED_REGISTRY_PASSWORD_FILE"),
	}
}
