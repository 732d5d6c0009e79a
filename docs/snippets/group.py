import circuitscope as cs
from circuitscope.pages.pictures import plot_groups

model = cs.load_model("stories260K")
dictionaries = cs.load_dictionaries("dictionaries", model)
task = cs.load_task("examples/tasks/he_she", model)

circuit = cs.discover(model, dictionaries, task, positions="keep", nodes=40)
groups = cs.group(circuit, model, dictionaries, task)

sums = {group.name: group.effect for group in groups.groups}
members = {group.name: group.members for group in groups.groups}
to_output = {groups.groups[edge.source].name: edge.effect for edge in groups.edges if edge.target < 0}

plot_groups(circuit, groups, "groups.png")
