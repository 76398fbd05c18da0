"""The broker inside the node: MQTT 3.1.1, nobody anonymous, every topic under an access list.

`gateway.broker.embedded` loads amqtt and is imported only by a node that runs the broker.
Messages live in memory: across a restart of the node the broker is at-most-once. Whoever needs
more keeps its own copy until the receiver has committed it, as the cascade does.
"""
