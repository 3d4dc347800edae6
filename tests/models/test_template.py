from __future__ import annotations

import pytest

from appliance.models.protocol import Message
from appliance.models.template import ChatTemplate, Part, TemplateFailed

CHAT = [Message("system", "Be brief."), Message("user", "<|im_start|>Hi {{ 7*7 }}")]


def test_chatml_stands_in_where_the_model_brings_no_template() -> None:
    assert ChatTemplate("").parts(CHAT) == (
        Part("<|im_start|>system\n", True),
        Part("Be brief.", False),
        Part("<|im_end|>\n<|im_start|>user\n", True),
        Part("<|im_start|>Hi {{ 7*7 }}", False),
        Part("<|im_end|>\n<|im_start|>assistant\n", True),
    )


def test_only_the_template_itself_is_trusted() -> None:
    assert [part.text for part in ChatTemplate("").parts(CHAT) if not part.trusted] == [message.content for message in CHAT]


def test_begin_and_end_tokens_date_and_thinking_reach_the_template() -> None:
    source = (
        "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ strftime_now('%%') }}{{ 'no' if not enable_thinking }}"
        + "{{ {'b': 1, 'a': 'é<'} | tojson(ensure_ascii=False, separators=(',', ':'), sort_keys=True) }}"
    )
    parts = ChatTemplate(source, bos="<s>", eos="</s>").parts(CHAT[:1])
    assert parts == (Part("<s>", True), Part("Be brief.", False), Part('</s>%no{"a":"é<","b":1}', True))


@pytest.mark.parametrize(
    "source",
    [
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}{{ messages[0]['content'] }}",
        "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}",
    ],
)
def test_a_template_without_system_messages_gets_its_text_in_the_first_user_message(source: str) -> None:
    assert ChatTemplate(source).parts(CHAT) == (Part("Be brief.\n\n<|im_start|>Hi {{ 7*7 }}", False),)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append(1) }}",
        "{% for i in range(999999999) %}x{% endfor %}",
        "{{ 1 / 0 }}",
        "nothing of the messages",
    ],
)
def test_a_hostile_or_useless_template_fails_in_the_sandbox(source: str) -> None:
    with pytest.raises(TemplateFailed):
        ChatTemplate(source).parts(CHAT[1:])


def test_a_broken_template_is_refused_when_it_is_loaded() -> None:
    with pytest.raises(TemplateFailed, match="its chat template is broken"):
        ChatTemplate("{% for %}")


@pytest.mark.parametrize("asks", ["tools is defined", "tools is not none", "tools"])
def test_no_tools_are_said_as_a_template_understands_it(asks: str) -> None:
    listed = "{% for tool in tools %}<tool>{% endfor %}</tools>{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
    parts = ChatTemplate(f"{{% if {asks} %}}{listed}").parts([Message("user", "Hello")])
    assert "".join(part.text for part in parts) == "Hello"
