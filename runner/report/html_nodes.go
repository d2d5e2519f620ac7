package report

// nodes are all nodes with what happened to each, folded; those that nothing happened to are told in one line.
func (r Report) nodes(p *page) {
	p.printf("<section aria-labelledby=\"nodes\">\n<h2 id=\"nodes\">Node by node</h2>\n")
	var untouched []string
	for _, n := range r.Nodes {
		if len(n.Orders)+len(n.Remarks) == 0 {
			untouched = append(untouched, n.Name)
			continue
		}
		p.printf("<details id=\"node-%s\"><summary><b>%s</b> <span class=\"%s\">%s</span> %s</summary>\n", text(n.Name), text(n.Name), class(n.State), text(n.State), lasted(n.took()))
		n.told(p)
		p.printf("</details>\n")
	}
	switch more := r.Unnamed(); {
	case len(untouched) > 0 && more > 0:
		p.printf("<p>Not begun: %s, and %s more.</p>\n", text(few(untouched)), plural(more, "node"))
	case len(untouched) > 0:
		p.printf("<p>Not begun: %s.</p>\n", text(few(untouched)))
	case more > 0:
		p.printf("<p>Not begun: %s.</p>\n", plural(more, "node"))
	}
	p.printf("</section>\n")
}

func (n Node) told(p *page) {
	if n.Why != "" {
		p.printf("<pre>%s</pre>\n", p.long(n.Why))
	}
	if len(n.Changes) > 0 {
		p.printf("<h3>What changed</h3>\n<ul>\n")
		shown := p.most(len(n.Changes), 1)
		for _, c := range n.Changes[:shown] {
			p.printf("<li>%s %s: %s\n", clock(c.At), p.long(c.Step), p.long(c.Text))
		}
		p.more(shown, len(n.Changes), "<li>%s\n")
		p.printf("</ul>\n")
	}
	orders := p.most(len(n.Orders), 1)
	for _, o := range n.Orders[:orders] {
		if p.room.brief {
			continue
		}
		p.printf("<h3>%s%s, %s to %s</h3>\n<table><thead><tr><th>Phase<th>Began<th>Took%s<tbody>\n", text(o.Name), text(inStage(o.Stage)), clock(o.Began), clock(o.Ended), n.foreseenHead())
		for _, s := range o.Phases { // tags that HTML lets one leave out are left out: there are ten thousands of them
			p.printf("<tr><th scope=row>%s<td>%s<td>%s%s\n", text(s.Name), clock(s.Began), lasted(s.Took()), n.foreseenCell(s.Name))
		}
		p.printf("</table>\n")
	}
	p.more(orders, len(n.Orders), "<p>%s orders on it\n")
	if len(n.Waits) > 0 {
		p.printf("<h3>What it waited for</h3>\n<ul>\n")
		shown := p.most(len(n.Waits), 1)
		for _, w := range n.Waits[:shown] {
			p.printf("<li>%s for %s, in %s: %s\n", clock(w.Began), lasted(w.Took()), text(w.Phase), p.long(w.Name))
		}
		p.more(shown, len(n.Waits), "<li>%s\n")
		p.printf("</ul>\n")
	}
	if len(n.Remarks) > 0 {
		p.printf("<h3>What was said</h3>\n<ul>\n")
		p.remarks(n.Remarks, 1)
		p.printf("</ul>\n")
	}
}

// remarks are the entries of a list.
func (p *page) remarks(all []Remark, times int) {
	shown := p.most(len(all), times)
	for _, m := range all[:shown] {
		p.printf("<li>%s %s\n", clock(m.At), p.long(m.Text))
	}
	p.more(shown, len(all), "<li>%s\n")
}

// foreseenHead and foreseenCell are the column of what was foreseen, where something was.
func (n Node) foreseenHead() string {
	if n.Foreseen == nil || len(n.Foreseen.Phases) == 0 {
		return ""
	}
	return "<th>Predicted"
}

func (n Node) foreseenCell(phase string) string {
	if n.foreseenHead() == "" {
		return ""
	}
	s, there := n.Foreseen.Phases[phase]
	if !there {
		return "<td>–"
	}
	return "<td>" + lasted(seconds(s))
}

func inStage(stage string) string {
	if stage == "" {
		return ""
	}
	return " in " + stage
}
