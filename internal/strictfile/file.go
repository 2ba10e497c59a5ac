package strictfile

import "go.yaml.in/yaml/v3"

// File knows where things stand in a file that was read.
type File struct{ root *yaml.Node }

// Line is where the value at a path of keys (string) and positions (int, from 0) stands,
// or the nearest thing around it; 0 when the file is empty.
func (f *File) Line(path ...any) int {
	n, line := f.root, 0
	for _, step := range append(path, nil) {
		if n == nil {
			break
		}
		if line = n.Line; n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		n = next(n, step)
	}
	return line
}

func next(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
