// Command wire prints how the built-in kinds are written as protobuf, by reflection over the types of k8s.io/api: what
// src/sandbox/protobuf reads bodies with. Structure only: numbers, names and types of fields.
//
//	cd tests/wire && go run . | gzip -9n > ../../src/sandbox/protobuf/fields.gz
//
// A line `k apps/v1 Deployment 3` says that the kind is message 3; `m 3` begins a message, and each line after it is a
// field: number, JSON name (`-` where its fields belong to the message around it) and type. Types: s text, y bytes,
// b true or false, i whole number, d number, a number for a message, T time, U time to the microsecond, D duration,
// Q quantity, I whole number or text, R JSON as it stands, W list of texts in a message; `*` before one that may be absent,
// `[]` before a list, `{}` before a map from texts.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
)

var (
	numbers = map[reflect.Type]int{}
	order   []reflect.Type
)

func number(t reflect.Type) int {
	n, ok := numbers[t]
	if !ok {
		n = len(order)
		numbers[t] = n
		order = append(order, t)
	}
	return n
}

var special = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":       "T",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":  "U",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":   "D",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":   "R",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":   "Q",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString": "I",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":    "R",
	"k8s.io/api/authentication/v1.ExtraValue":         "W",
	"k8s.io/api/authorization/v1.ExtraValue":          "W",
	"k8s.io/api/certificates/v1.ExtraValue":           "W",
}

func kind(t reflect.Type) string {
	if s, ok := special[t.PkgPath()+"."+t.Name()]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return "*" + kind(t.Elem())
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		return "i"
	case reflect.Float32, reflect.Float64:
		return "d"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "y"
		}
		return "[]" + kind(t.Elem())
	case reflect.Map:
		return "{}" + kind(t.Elem())
	case reflect.Struct:
		return fmt.Sprint(number(t))
	}
	panic("no word for " + t.String())
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	all := scheme.Scheme.AllKnownTypes()
	var lines []string
	types := map[string]reflect.Type{}
	for gvk, t := range all {
		stable := !strings.Contains(gvk.Version, "alpha") && !strings.Contains(gvk.Version, "beta") && gvk.Version != "__internal"
		options := strings.HasSuffix(gvk.Kind, "Options") && (gvk.Kind != "DeleteOptions" || gvk.Group != "" && gvk.Group != "policy")
		if !stable || options || strings.HasSuffix(gvk.Kind, "List") || gvk.Kind == "WatchEvent" {
			continue
		}
		line := fmt.Sprintf("k %s %s", gvk.GroupVersion(), gvk.Kind)
		lines = append(lines, line)
		types[line] = t
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Fprintln(out, line, number(types[line]))
	}
	for at := 0; at < len(order); at++ {
		fmt.Fprintln(out, "m", at)
		t := order[at]
		for i := range t.NumField() {
			field := t.Field(i)
			wire, json := strings.Split(field.Tag.Get("protobuf"), ","), strings.Split(field.Tag.Get("json"), ",")
			if len(wire) < 2 {
				continue
			}
			name := json[0]
			if name == "" {
				name = "-"
			}
			fmt.Fprintln(out, wire[1], name, kind(field.Type))
		}
	}
}
