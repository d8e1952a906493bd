package cluster

import "testing"

func TestChainRemoval(t *testing.T) {
	saved := `# Generated
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-A - [0:0]
:MINE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j MINE
-A KUBE-SERVICES -j KUBE-SVC-A
COMMIT
*filter
:FORWARD ACCEPT [0:0]
-A FORWARD -j ACCEPT
COMMIT
`
	want := `*nat
-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-F KUBE-SERVICES
-F KUBE-SVC-A
-X KUBE-SERVICES
-X KUBE-SVC-A
COMMIT
`
	if got := chainRemoval(saved); got != want {
		t.Errorf("chainRemoval:\n%s\nwant:\n%s", got, want)
	}
	if got := chainRemoval("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"); got != "" {
		t.Errorf("a script although nothing is to remove:\n%s", got)
	}
}
