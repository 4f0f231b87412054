-- A tool's name, under every convention.
firstNonDefault(Facets['gen_ai.tool.name'], Facets['tool.name'], Facets['traceloop.entity.name'], toString(SpanName))
