"""A graph of LangGraph's: a model node and a tool node, until the model asks for no tool.

python agent.py "Is it warmer in Oslo or in Paris?"
"""

import os
import sys

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition


@tool
def weather(city: str) -> str:
    """How warm it is in a city now."""
    return {"Oslo": "9 °C", "Paris": "18 °C"}.get(city, "unknown")


def build():
    """The graph, compiled."""
    model = ChatOpenAI(model=os.environ.get("OPENAI_MODEL", "gpt-5-mini")).bind_tools([weather])

    def think(state: MessagesState) -> dict:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode([weather]))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return graph.compile(name="meteorologist")


if __name__ == "__main__":
    question = " ".join(sys.argv[1:]) or "Is it warmer in Oslo or in Paris?"
    state = build().invoke(
        {"messages": [("system", "Answer questions about the weather."), ("user", question)]},
        {"configurable": {"thread_id": "thread-1"}},
    )
    print(state["messages"][-1].content)
