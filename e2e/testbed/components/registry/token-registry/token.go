package main

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// service answers requests for tokens.
type service struct {
	issuer string
	signer jose.Signer
	users  []user
}

// user is one who may ask for tokens.
type user struct {
	Name     string   `json:"name"`
	Password string   `json:"password"`
	Actions  []string `json:"actions"`
	// Prefix begins the names of the only repositories that the user may use.
	Prefix string `json:"prefix"`
	// Seconds is how long a token is taken.
	Seconds int `json:"seconds"`
}

// newSigner signs with the certificate's key and puts the certificate into
// every token: the registry trusts whatever the testbed's authority issued.
func newSigner(pair tls.Certificate) (jose.Signer, error) {
	key := jose.JSONWebKey{Key: pair.PrivateKey, Certificates: []*x509.Certificate{pair.Leaf}}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		return nil, fmt.Errorf("make the signer of the tokens: %w", err)
	}
	return signer, nil
}

// token answers GET with a basic credential, and POST with a form as OAuth 2
// has it. What a user may not do is left out of the token, as the specification
// says: it is the registry that refuses.
func (s service) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name, password, _ := r.BasicAuth()
	if r.Method == http.MethodPost {
		name, password = r.PostForm.Get("username"), r.PostForm.Get("password")
	}
	i := slices.IndexFunc(s.users, func(u user) bool {
		return u.Name == name && subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1
	})
	if i < 0 {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", s.issuer))
		reply(w, http.StatusUnauthorized, map[string]any{"errors": []map[string]string{{"code": "UNAUTHORIZED", "message": "the token service knows no such user and password"}}})
		return
	}
	user := s.users[i]
	signed, err := s.sign(user, r.Form.Get("service"), scopes(r.Form["scope"]), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, http.StatusOK, map[string]any{
		"token": signed, "access_token": signed,
		"expires_in": user.Seconds, "issued_at": time.Now().UTC().Format(time.RFC3339),
	})
}

func (s service) sign(u user, audience string, wanted []token.ResourceActions, now time.Time) (string, error) {
	// The registry takes a token for a while after its end, for clocks that go
	// wrong. Here there is one clock, and a short life must be short.
	end := now.Add(time.Duration(u.Seconds)*time.Second - token.Leeway)
	claims := token.ClaimSet{
		Issuer: s.issuer, Subject: u.Name, Audience: token.AudienceList{audience}, JWTID: rand.Text(),
		Expiration: end.Unix(), NotBefore: now.Add(-token.Leeway).Unix(), IssuedAt: now.Unix(),
	}
	for _, resource := range wanted {
		if allowed := u.may(resource); len(allowed.Actions) > 0 {
			claims.Access = append(claims.Access, &allowed)
		}
	}
	signed, err := jwt.Signed(s.signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed, nil
}

// may is what of the wanted actions the user is granted.
func (u user) may(wanted token.ResourceActions) token.ResourceActions {
	granted := wanted
	granted.Actions = nil
	if wanted.Type != "repository" || !strings.HasPrefix(wanted.Name, u.Prefix) {
		return granted
	}
	for _, action := range wanted.Actions {
		if slices.Contains(u.Actions, action) {
			granted.Actions = append(granted.Actions, action)
		}
	}
	return granted
}

// scopes reads "TYPE:NAME:ACTION,ACTION"; a parameter may hold several, with
// blanks between them.
func scopes(parameters []string) []token.ResourceActions {
	var all []token.ResourceActions
	for _, parameter := range parameters {
		for scope := range strings.FieldsSeq(parameter) {
			kind, rest, _ := strings.Cut(scope, ":")
			// A name may hold a port, so the actions follow the last colon.
			if i := strings.LastIndexByte(rest, ':'); i >= 0 {
				all = append(all, token.ResourceActions{Type: kind, Name: rest[:i], Actions: strings.Split(rest[i+1:], ",")})
			}
		}
	}
	return all
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}
