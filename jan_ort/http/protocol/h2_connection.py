"""Which faults of a client end one HTTP/2 stream, and which the connection (hop 1)."""

from __future__ import annotations

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event, StreamReset
from h2.exceptions import FlowControlError, InvalidBodyLengthError, ProtocolError
from h2.frame_buffer import FrameBuffer
from h2.stream import StreamClosedBy, StreamState
from hpack.exceptions import HPACKError
from hyperframe.frame import DataFrame, Frame, HeadersFrame, PriorityFrame, RstStreamFrame, WindowUpdateFrame

_HEADER_BYTES, _INCREMENT_BYTES = 9, 4


class StreamRefused(ProtocolError):
    """Raised when a client opens more streams at once than it was told that it may."""

    error_code = ErrorCodes.REFUSED_STREAM


class StreamwiseConnection(H2Connection):
    """Stands for ``upstream``, which ends a connection for what RFC 9113 calls errors of a stream (5.4.2, 8.1.1)."""

    def __init__(self, upstream: H2Connection) -> None:
        super().__init__(upstream.config)
        self.local_settings = upstream.local_settings
        self.incoming_buffer = LenientFrames(server=True)

    def _receive_frame(self, frame: Frame) -> list[Event]:
        if isinstance(frame, PriorityFrame):
            return []  # RFC 9113 has done away with priorities
        frame.flags.discard("PRIORITY")
        try:
            return self._received(frame)
        except ProtocolError as error:
            if not self._is_of_a_stream(frame, error):
                raise
            return self._reset(frame, error.error_code)

    def _received(self, frame: Frame) -> list[Event]:
        """Do what upstream does, and refuse what it lets pass. Raises: ProtocolError."""
        if not isinstance(frame, HeadersFrame):
            events = super()._receive_frame(frame)
            if isinstance(frame, WindowUpdateFrame) and frame.stream_id in self.streams and not frame.window_increment:
                raise ProtocolError("a window is widened by nothing")
            return events
        stream = self.streams.get(frame.stream_id)
        is_refused = stream is None and super().open_inbound_streams >= self.local_settings.max_concurrent_streams
        length = stream._expected_content_length if stream else None  # trailers make upstream forget it
        events = super()._receive_frame(frame)  # also of a refused stream, for its fields change the compression
        if is_refused:
            raise StreamRefused
        if "END_STREAM" in frame.flags and (stream := self.streams.get(frame.stream_id)):
            length = stream._expected_content_length if length is None else length
            if length not in (None, stream._actual_content_length):
                raise InvalidBodyLengthError(length, stream._actual_content_length)
        return events

    def _is_of_a_stream(self, frame: Frame, error: ProtocolError) -> bool:
        """Whether the fault leaves what the streams share as it was: the compression of fields, and the window."""
        if not isinstance(frame, HeadersFrame | DataFrame | WindowUpdateFrame) or frame.stream_id not in self.streams:
            return False
        if isinstance(error, FlowControlError) and self.inbound_flow_control_window < 0:
            return False
        return not isinstance(error.__cause__, HPACKError)

    def _reset(self, frame: Frame, code: ErrorCodes) -> list[Event]:
        """End the frame's stream, whatever state the fault has left it in, and let nothing of it fill the window."""
        machine = self.streams[frame.stream_id].state_machine
        machine.state, machine.stream_closed_by = StreamState.CLOSED, StreamClosedBy.SEND_RST_STREAM
        self._prepare_for_sending([RstStreamFrame(frame.stream_id, int(code))])
        if isinstance(frame, DataFrame):
            self.acknowledge_received_data(frame.flow_controlled_length, frame.stream_id)
        return [StreamReset(stream_id=frame.stream_id, error_code=code, remote_reset=False)]

    @property
    def open_inbound_streams(self) -> int:
        """Tell upstream of none, which would end the connection for one too many."""
        return 0


class LenientFrames(FrameBuffer):
    """h2's own, which refuses two frames of a stream unread: a window widened by nothing, a priority of any size."""

    def __next__(self) -> Frame:
        try:
            return super().__next__()
        except ProtocolError:
            length, kind = int.from_bytes(self._data[:3], "big"), self._data[3]
            stream_id = int.from_bytes(self._data[5:_HEADER_BYTES], "big") & 0x7FFFFFFF
            is_lenient = kind == PriorityFrame.type or (kind == WindowUpdateFrame.type and length == _INCREMENT_BYTES)
            if not is_lenient or not stream_id or self._headers_buffer:
                raise
            del self._data[: _HEADER_BYTES + length]
            return PriorityFrame(stream_id) if kind == PriorityFrame.type else WindowUpdateFrame(stream_id)
