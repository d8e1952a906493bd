// Sshlist prints the fingerprints of the keys that the agent at SSH_AUTH_SOCK
// offers: what a RUN step with an ssh mount can use.
package main

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func main() {
	if err := list(); err != nil {
		fmt.Fprintln(os.Stderr, "sshlist:", err)
		os.Exit(1)
	}
}

func list() error {
	conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return err
	}
	keys, err := agent.NewClient(conn).List()
	if err != nil {
		return err
	}
	for _, key := range keys {
		fmt.Println(ssh.FingerprintSHA256(key))
	}
	return conn.Close()
}
