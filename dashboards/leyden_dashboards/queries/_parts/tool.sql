-- A tool's name, under every convention.
multiIf(SpanAttributes['gen_ai.tool.name'] != '', SpanAttributes['gen_ai.tool.name'],
        SpanAttributes['tool.name'] != '', SpanAttributes['tool.name'],
        SpanAttributes['traceloop.entity.name'] != '', SpanAttributes['traceloop.entity.name'], SpanName)
