"""What others' tools need to speak to an editor: ANS's acceptance kit (Inferno), and Bruno."""
