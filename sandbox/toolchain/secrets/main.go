// Command secrets is the operator of External Secrets as its authors wrote it, with only
// the providers of register/providers linked in: with all forty the build takes ten times
// as long (docs/adr/0018-secrets.md).
package main

import "github.com/external-secrets/external-secrets/cmd/controller"

func main() { controller.Execute() }
