// Prints what Ollama's own configuration makes of its environment, as JSON: {"OLLAMA_HOST": "...", ...}.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/ollama/ollama/envconfig"
)

func main() {
	found := map[string]string{}
	for name, each := range envconfig.AsMap() {
		found[name] = fmt.Sprint(each.Value)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}
