// Package register links the stores that the sandbox's operator knows.
// It stands in the place of the operator's own package of this name.
package register

import (
	_ "github.com/external-secrets/external-secrets/pkg/provider/aws"
	_ "github.com/external-secrets/external-secrets/pkg/provider/vault"
)
