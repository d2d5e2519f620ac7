package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"k8s.io/client-go/util/jsonpath"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
	"sigs.k8s.io/yaml"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// ctl does to a simulated API server what the commands that audit prints ask kubectl for: the scripts run in a real
// shell language, so what is wrongly quoted shows. The lab does the same with kubectl itself.
type ctl struct {
	t *testing.T
	s *kubetest.Server
}

// run runs a script as a shell would.
func (k ctl) run(script string) {
	k.t.Helper()
	file, err := syntax.NewParser().Parse(strings.NewReader(script), "")
	if err != nil {
		k.t.Fatalf("%v in:\n%s", err, script)
	}
	var out bytes.Buffer
	runner, err := interp.New(interp.StdIO(nil, &out, &out), interp.ExecHandlers(func(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
		return func(ctx context.Context, args []string) error {
			switch args[0] {
			case "kubectl":
				return k.do(interp.HandlerCtx(ctx).Stdin, interp.HandlerCtx(ctx).Stdout, args[1:])
			case "sort":
				return next(ctx, args)
			}
			return fmt.Errorf("not kubectl: %q", args)
		}
	}))
	if err == nil {
		err = runner.Run(context.Background(), file)
	}
	if err != nil {
		k.t.Fatalf("%v in:\n%s", err, script)
	}
}

// do is one command line of kubectl.
func (k ctl) do(in io.Reader, out io.Writer, args []string) error {
	flags, words := map[string]string{}, []string{}
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		switch {
		case !strings.HasPrefix(name, "-"):
			words = append(words, args[i])
		case !has && name != "--overwrite":
			i++
			value = args[i]
			fallthrough
		default:
			flags[name] = value
		}
	}
	at := func(kind, name string) string { return pathOf(kind, flags["-n"], name) }
	switch verb := words[0]; verb {
	case "patch":
		how := map[string]string{"json": "json-patch", "merge": "merge-patch", "strategic": "strategic-merge-patch"}[flags["--type"]]
		return k.ask("PATCH", at(words[1], words[2]), "application/"+how+"+json", flags["-p"])
	case "scale":
		return k.merge(at(words[1], words[2]), `{"spec":{"replicas":%s}}`, flags["--replicas"])
	case "annotate":
		key, value, _ := strings.Cut(words[3], "=")
		return k.merge(at(words[1], words[2]), `{"metadata":{"annotations":{%q:%q}}}`, key, value)
	case "label":
		for _, name := range words[2 : len(words)-1] {
			key, value, _ := strings.Cut(words[len(words)-1], "=")
			if err := k.merge(at(words[1], name), `{"metadata":{"labels":{%q:%q}}}`, key, value); err != nil {
				return err
			}
		}
		return nil
	case "delete":
		for _, name := range words[2:] {
			if err := k.ask("DELETE", at(words[1], name), "", ""); err != nil && (flags["--ignore-not-found"] == "" || !strings.Contains(err.Error(), "NotFound")) {
				return err
			}
		}
		return nil
	case "get":
		return k.show(at(words[1], words[2]), strings.TrimPrefix(flags["-o"], "jsonpath="), out)
	case "create":
		return k.secret(in, flags["-n"], words[3])
	case "uncordon":
		return k.merge(at("node", words[1]), `{"spec":{"unschedulable":null}}`)
	case "taint":
		return k.merge(at("node", words[2]), `{"spec":{"taints":null}}`) // the tests' nodes have one at most
	case "apply":
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		return k.apply(string(text))
	}
	return fmt.Errorf("kubectl: unknown command %q", words)
}

// show prints an object by a template of kubectl's own, which lets keys be missing.
func (k ctl) show(path, template string, out io.Writer) error {
	answer, err := k.get(path)
	if err != nil {
		return err
	}
	j := jsonpath.New("").AllowMissingKeys(true)
	if err := j.Parse(template); err != nil {
		return err
	}
	return j.Execute(out, answer)
}

// secret makes a Secret of lines NAME=VALUE.
func (k ctl) secret(in io.Reader, namespace, name string) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			if _, twice := values[key]; twice {
				return fmt.Errorf("key %s twice", key)
			}
			values[key] = value
		}
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": namespace, "name": name}, "stringData": values})
	if err != nil {
		return err
	}
	return k.ask("POST", pathOf("secret", namespace, ""), "application/json", string(body))
}

func (k ctl) merge(path, format string, args ...any) error {
	return k.ask("PATCH", path, "application/merge-patch+json", fmt.Sprintf(format, args...))
}

// apply makes the objects of a file.
func (k ctl) apply(text string) error {
	for doc := range strings.SplitSeq(text, "\n---\n") {
		body, err := yaml.YAMLToJSON([]byte(strings.TrimPrefix(doc, "---\n")))
		if err != nil {
			return err
		}
		var meta struct {
			Kind     string
			Metadata struct{ Namespace string }
		}
		if err := yaml.Unmarshal(body, &meta); err != nil {
			return err
		}
		if err := k.ask("POST", pathOf(strings.ToLower(meta.Kind), meta.Metadata.Namespace, ""), "application/json", string(body)); err != nil {
			return err
		}
	}
	return nil
}

func (k ctl) applyFile(path string, edit ...string) {
	k.t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = k.apply(strings.NewReplacer(edit...).Replace(string(text)))
	}
	if err != nil {
		k.t.Fatalf("%s: %v", path, err)
	}
}

func pathOf(kind, namespace, name string) string {
	root, plural := "/api/v1", kind+"s"
	switch kind {
	case "deployment", "statefulset", "daemonset", "replicaset":
		root = "/apis/apps/v1"
	case "pdb", "poddisruptionbudget":
		root, plural = "/apis/policy/v1", "poddisruptionbudgets"
	}
	if namespace != "" && kind != "namespace" {
		root += "/namespaces/" + namespace
	}
	return strings.TrimSuffix(root+"/"+plural+"/"+name, "/")
}

func (k ctl) get(path string) (object map[string]any, err error) {
	client := &http.Client{Transport: &http.Transport{DialContext: k.s.Dial, DisableKeepAlives: true}}
	answer, err := client.Get("http://kubetest" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return object, json.NewDecoder(answer.Body).Decode(&object)
}

func (k ctl) ask(method, path, contentType, body string) error {
	client := &http.Client{Transport: &http.Transport{DialContext: k.s.Dial, DisableKeepAlives: true}}
	request, err := http.NewRequest(method, "http://kubetest"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, text)
	}
	return nil
}
